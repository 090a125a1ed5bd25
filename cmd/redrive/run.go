package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
)

// run does everything and returns the exit code. Results go to stdout; errors, questions and remarks to stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	s := &session{stdin: stdin, stdout: &output{w: stdout}, stderr: stderr, options: newOptions(env)}
	err := s.dispatch(ctx, args)
	if err == nil && s.stdout.err != nil {
		err = &failure{code: exitFailed, what: "the output could not be written: " + s.stdout.err.Error()}
	}
	if err == nil {
		return exitDone
	}
	f := failureOf(ctx, err)
	f.print(stderr)
	return f.code
}

// session is one run of the program.
type session struct {
	stdin  io.Reader
	stdout *output
	stderr io.Writer
	options
	client *client
}

// output is a writer that remembers its first error, so that nobody who prints has to.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	var n int
	n, o.err = o.w.Write(p)
	return n, o.err
}

// dispatch finds the command and runs it.
func (s *session) dispatch(ctx context.Context, args []string) error {
	flags := s.newFlags()
	if err := flags.Parse(args); err != nil {
		return s.helpOr(err, printHelp, "")
	}
	words := flags.Args()
	switch {
	case len(words) == 0:
		printHelp(s.stderr)
		return newUsage("", "a command is missing")
	case words[0] == "help":
		return s.help(words[1:])
	case len(words) == 2 && slices.Contains([]string{"-h", "-help", "--help"}, words[1]):
		return s.help(words[:1])
	}
	cmd, words, err := findCommand(words)
	if err != nil {
		return err
	}
	return s.runCommand(ctx, cmd, words)
}

func (s *session) runCommand(ctx context.Context, cmd command, words []string) error {
	flags := s.newFlags()
	act := cmd.prepare(flags)
	args, err := parseMixed(flags, words)
	if err != nil {
		return s.helpOr(err, cmd.printHelp, cmd.name)
	}
	if len(args) < cmd.least || len(args) > cmd.most {
		return newUsage(cmd.name, fmt.Sprintf("it takes %s; there are %d arguments", cmp.Or(cmd.args, "no arguments"), len(args)))
	}
	if s.client, err = s.connect(); err != nil {
		return err
	}
	return act(ctx, s, args)
}

// helpOr prints the help that a flag asked for, or returns what is wrong with the flags.
func (s *session) helpOr(err error, help func(io.Writer), command string) error {
	if errors.Is(err, flag.ErrHelp) {
		help(s.stdout)
		return nil
	}
	return newUsage(command, err.Error())
}

// parseMixed parses flags that stand before, between and after the arguments, and returns these. After "--" there are
// arguments only.
func parseMixed(flags *flag.FlagSet, words []string) (args []string, err error) {
	for {
		if err := flags.Parse(words); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if parsed := len(words) - len(rest); len(rest) == 0 || parsed > 0 && words[parsed-1] == "--" {
			return append(args, rest...), nil
		}
		args, words = append(args, rest[0]), rest[1:]
	}
}

// say prints a remark for people, which is no result.
func (s *session) say(format string, values ...any) {
	_, _ = fmt.Fprintln(s.stderr, plain(fmt.Sprintf(format, values...)))
}

// tell prints a result as one line.
func (s *session) tell(format string, values ...any) {
	_, _ = fmt.Fprintln(s.stdout, plain(fmt.Sprintf(format, values...)))
}
