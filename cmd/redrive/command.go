package main

import (
	"context"
	"flag"
	"slices"
	"strings"
)

// command is one thing that the program does.
type command struct {
	// name is one word or two.
	name string
	// args names the arguments, of which there are least to most.
	args        string
	least, most int
	// about is one line, details what else an operator should know before using it.
	about, details string
	// prepare defines the command's own flags and returns what it does.
	prepare func(f *flag.FlagSet) action
}

// action does what a command is for, once the flags are parsed.
type action func(ctx context.Context, s *session, args []string) error

// commands are all there are, in the order of the help.
func commands() []command {
	return slices.Concat(
		[]command{queuesCommand, errorsCommand, listCommand, showCommand, eventCommand, retryCommand, editCommand},
		jobCommands,
		[]command{jobsCommand, exportCommand, exportsCommand, exportDeleteCommand, importCommand, eraseCommand, erasedCommand,
			restoreCommand, settingsCommand, auditCommand})
}

// findCommand returns the command with the longest name that the words begin with, and the words after it.
func findCommand(words []string) (found command, rest []string, err error) {
	for _, cmd := range commands() {
		name := strings.Fields(cmd.name)
		if len(words) >= len(name) && slices.Equal(words[:len(name)], name) && len(cmd.name) > len(found.name) {
			found, rest = cmd, words[len(name):]
		}
	}
	if found.name != "" {
		return found, rest, nil
	}
	var names []string
	for _, cmd := range familyOf(words[0]) {
		names = append(names, cmd.name)
	}
	if len(names) > 0 {
		return command{}, nil, newUsage("", "say which: "+strings.Join(names, ", "))
	}
	return command{}, nil, newUsage("", "there is no command "+words[0])
}

// familyOf is the commands whose names begin with the word.
func familyOf(word string) []command {
	return slices.DeleteFunc(commands(), func(cmd command) bool { return strings.Fields(cmd.name)[0] != word })
}

// bare is the prepare of a command without flags of its own.
func bare(act action) func(*flag.FlagSet) action {
	return func(*flag.FlagSet) action { return act }
}
