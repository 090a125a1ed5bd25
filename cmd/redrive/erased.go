package main

import (
	"context"
	"flag"
	"net/http"
)

var erasedCommand = command{
	name: "erased", args: "QUEUE", least: 1, most: 1, about: "List what was erased and can still be restored, oldest first",
	details: "ENTERED is when an entry was erased. How long it is kept is a setting of the service, a day by default.",
	prepare: listOf("erased", listErased),
}

var restoreCommand = command{
	name: "restore", args: "QUEUE", least: 1, most: 1, about: "Put erased entries back into their DLQ",
	details: "It puts back what matches, or everything. The entries come in anew, with other ids.\n" +
		"It waits as long as the service takes; interrupting it may leave it half done.",
	prepare: func(f *flag.FlagSet) action {
		var which filter
		which.register(f)
		return func(ctx context.Context, s *session, args []string) error {
			return s.restore(ctx, args[0], &which)
		}
	},
}

func (s *session) restore(ctx context.Context, queue string, which *filter) error {
	if err := which.check("restore"); err != nil {
		return err
	}
	r := &request{method: http.MethodPost, path: []string{"queues", queue, "erased", "restore"}, long: true}
	if !which.empty() {
		r.fields = which.fields()
	}
	raw, err := s.client.call(ctx, r)
	if err != nil {
		return err
	}
	answer, err := decode[struct {
		Restored int64 `json:"restored"`
	}](raw)
	switch {
	case err != nil:
		return err
	case answer.Restored == 0:
		return newNothing(which.entries(0) + " erased from the DLQ of " + queue)
	case s.json():
		return s.printJSON(raw)
	}
	s.tell("%s restored", number(answer.Restored))
	return nil
}
