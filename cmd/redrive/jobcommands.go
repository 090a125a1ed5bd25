package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
)

var jobCommands = []command{
	{
		name: "job start", args: "QUEUE", least: 1, most: 1, about: "Start to move entries back, in batches",
		details: "It moves what is there now and matches, or everything; what fails again is not picked up again. The service\n" +
			"does the work: this command ends at once, and redrive job watch follows the job.",
		prepare: func(f *flag.FlagSet) action {
			var which filter
			which.register(f)
			dry := f.Bool("dry-run", false, "only say how many entries would move")
			var how caution
			how.register(f)
			return func(ctx context.Context, s *session, args []string) error {
				return s.startJob(ctx, args[0], &which, &how, *dry)
			}
		},
	},
	jobCommand("stop", "Stop the running retry job; what it moved stays moved", "", http.MethodDelete, nil),
	jobCommand("pause", "Have the running retry job wait", "It goes on with redrive job resume.", http.MethodPost, []string{"pause"}),
	jobCommand("resume", "Have a paused retry job go on", "", http.MethodPost, []string{"resume"}),
	jobCommand("show", "Show the running or last retry job", "redrive jobs QUEUE lists those before it.", http.MethodGet, nil),
	jobWatchCommand,
}

// jobCommand is a command that is one call, which is answered with the job.
func jobCommand(verb, about, details, method string, below []string) command {
	act := func(ctx context.Context, s *session, args []string) error {
		raw, err := s.client.call(ctx, jobRequest(method, args[0], below...))
		if err != nil {
			return err
		}
		return s.showJob(args[0], raw)
	}
	return command{name: "job " + verb, args: "QUEUE", least: 1, most: 1, about: about, details: details, prepare: bare(act)}
}

// jobRequest is a call about the retry job of a queue.
func jobRequest(method, queue string, below ...string) *request {
	return &request{method: method, path: append([]string{"queues", queue, "retry-job"}, below...)}
}

func (s *session) startJob(ctx context.Context, queue string, which *filter, how *caution, dry bool) error {
	if err := which.check("job start"); err != nil {
		return err
	}
	if err := how.check("job start"); err != nil {
		return err
	}
	r := jobRequest(http.MethodPost, queue)
	fields := which.fields()
	if how.addTo(fields); dry {
		fields["dry_run"] = true
	}
	if len(fields) > 0 {
		r.fields = fields
	}
	raw, err := s.client.call(ctx, r)
	if err != nil {
		return err
	}
	if dry {
		return s.showDryRun(queue, which, raw)
	}
	return s.showJob(queue, raw)
}

func (s *session) showDryRun(queue string, which *filter, raw json.RawMessage) error {
	answer, err := decode[dryRun](raw)
	switch {
	case err != nil:
		return err
	case !answer.DryRun:
		return &failure{code: exitFailed, what: "the server does not say that it was a dry run; it may have started the job",
			advice: "redrive job show " + queue}
	}
	return s.showCount(answer.Count, queue, which, "move back")
}
