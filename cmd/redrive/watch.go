package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"time"
)

var jobWatchCommand = command{
	name: "job watch", args: "QUEUE", least: 1, most: 1, about: "Follow a retry job to its end",
	details: "Ctrl-C ends the watching; the job goes on. A service that is away for a while, for a restart say, is waited for.\n" +
		"The exit code is 0 when the job completed, 1 when it failed or was stopped, 130 after ctrl-C.",
	prepare: func(f *flag.FlagSet) action {
		var w watch
		w.register(f)
		return func(ctx context.Context, s *session, args []string) error {
			w.session, w.queue = s, args[0]
			return w.run(ctx)
		}
	},
}

// watch follows a retry job.
type watch struct {
	poller
	*session
	queue string
	// id is the watched job's, once it is known.
	id   string
	last job
	// step is the state that was printed last, for programs.
	step string
}

func (w *watch) run(ctx context.Context) error {
	shown := w.newProgress(w.stdout)
	err := w.until(ctx, shown, func(ctx context.Context) (bool, error) { return w.look(ctx, shown) })
	shown.end()
	switch {
	case err != nil && ctx.Err() != nil:
		return &failure{code: exitInterrupted, what: "watching ended; the retry job goes on",
			advice: fmt.Sprintf("redrive job watch %s follows it again, redrive job stop %s ends it", w.queue, w.queue)}
	case err != nil:
		return err
	}
	w.remark()
	return w.last.verdict(w.queue)
}

// remark says on what a completed job still has an operator look.
func (w *watch) remark() {
	if w.json() || w.last.State != stateCompleted {
		return
	}
	if w.last.Outcome.CameBack > 0 {
		w.say("%s", w.last.comeBack(w.queue))
	}
	if n := w.last.Outcome.Waiting; n > 0 {
		w.say("%d of what was moved are not done yet; redrive job show %s says what becomes of them", n, w.queue)
	}
}

// look asks how the job stands and shows it.
func (w *watch) look(ctx context.Context, shown *progress) (ended bool, err error) {
	raw, err := w.client.call(ctx, jobRequest(http.MethodGet, w.queue))
	if err != nil {
		return false, err
	}
	j, err := decode[job](raw)
	if err != nil {
		return false, err
	}
	if w.id != "" && j.ID != w.id {
		return false, &failure{code: exitFailed, what: "the watched job ended unseen, and another one was started meanwhile",
			advice: "redrive job watch " + w.queue + " follows that one; redrive audit shows who did what"}
	}
	w.id, w.last = j.ID, j
	step := fmt.Sprint(j.State, j.Moved, j.Total, j.Outcome)
	if !w.json() {
		shown.show(step, w.queue+" "+j.line(time.Now()))
	} else if step != w.step {
		err = w.printJSON(raw)
	}
	w.step = step
	return j.ended(), err
}
