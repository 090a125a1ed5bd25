package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

const helpHead = `Usage: redrive COMMAND [arguments] [flags]

Looks into the dead-letter queues (DLQs) of a running service and empties them, over its management API.
QUEUE is events or callbacks.

Commands:
`

const helpMiddle = `
In an incident:
  redrive queues                                      how much is where
  redrive errors events                               what went wrong, grouped by cause
  redrive list events -error timeout -from 2h         which entries it hit
  redrive show events 17                              one of them, with its payload and every attempt
  redrive retry events 17                             is it mended? Try that one
  redrive export events -o before.json                keep a copy of everything
  redrive settings -batch-size 50 -cooldown 0.5       how fast a retry job may go
  redrive job start events -error timeout -dry-run    how many would move
  redrive job start events -error timeout -canary 10  move them back, in batches; go on if the first ten are processed
  redrive job watch events                            see how it goes; ctrl-C leaves it running
  redrive job stop events                             stop it; what it moved stays moved
  redrive jobs events                                 what became of what each job moved
  redrive list events -job ID                         what came back of one
  redrive show events 17 -payload > p.json            mend the payload of one,
  redrive edit events 17 p.json                       and move it back with that
  redrive erase events -error "account closed"        give up on what cannot be saved; for a day
  redrive restore events -error "account closed"      that can be undone
  redrive event 62cc313988befe60e3413e75              all that happened to one event

Flags of every command, before or after its arguments:
`

const helpTail = `
Environment:
  REDRIVE_URL    the default of -url
  REDRIVE_TOKEN  the token of the management, unless -token-file names a file with it. There is no flag for the token
                 itself: others on the machine would see it. A user name in -url, http://alice@host/manage, is sent along
                 and stands in the audit log.

Exit codes:
  0    done
  1    failed: no answer, an error of the server, a job, export or import that failed or was stopped
  2    the command line is wrong; nothing was sent
  3    nothing there: an unknown queue, entry, job or export, or nothing that matches
  4    refused: not allowed, not confirmed, in conflict with what runs, or not known to this server; nothing was done
  130  interrupted

"redrive help COMMAND" says more about one command.
`

// printHelp prints what there is.
func printHelp(w io.Writer) {
	_, _ = io.WriteString(w, helpHead)
	printCommands(w, commands())
	_, _ = io.WriteString(w, helpMiddle)
	flags := (&session{}).newFlags()
	flags.SetOutput(w)
	flags.PrintDefaults()
	_, _ = io.WriteString(w, helpTail)
}

// printCommands prints a line for each.
func printCommands(w io.Writer, list []command) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cmd := range list {
		_, _ = fmt.Fprintf(t, "  %s\t%s\n", cmd.usage(), cmd.about)
	}
	_ = t.Flush()
}

// printHelp prints how to use one command.
func (c command) printHelp(w io.Writer) {
	_, _ = fmt.Fprintf(w, "Usage: redrive %s [flags]\n\n%s.\n", c.usage(), c.about)
	if c.details != "" {
		_, _ = fmt.Fprintf(w, "\n%s\n", c.details)
	}
	_, _ = fmt.Fprintln(w, "\nFlags:")
	flags := (&session{}).newFlags()
	c.prepare(flags)
	flags.SetOutput(w)
	flags.PrintDefaults()
}

func (c command) usage() string {
	if c.args == "" {
		return c.name
	}
	return c.name + " " + c.args
}

// help prints the help of the command that the words name, or of everything. The first word of several commands names them all.
func (s *session) help(words []string) error {
	if len(words) == 0 {
		printHelp(s.stdout)
		return nil
	}
	family := familyOf(words[0])
	if len(words) == 1 && len(family) > 1 && family[0].name != words[0] {
		_, _ = fmt.Fprintf(s.stdout, "Commands:\n")
		printCommands(s.stdout, family)
		_, _ = fmt.Fprintf(s.stdout, "\n\"redrive help %s\" says more about that one, and so on.\n", family[0].name)
		return nil
	}
	cmd, _, err := findCommand(words)
	if err != nil {
		return err
	}
	cmd.printHelp(s.stdout)
	return nil
}
