package sqlstore

import (
	"context"
	"log/slog"
)

// warnUnsynced logs where commits are not what an answer promises. How a server and its connections are set up is for the
// host to say, who may not know what depends on it, so that it is no error.
func (s *Server) warnUnsynced(ctx context.Context, log *slog.Logger) {
	if s.Unsynced == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, WriteTimeout)
	defer cancel()
	setting, err := s.Unsynced(s.Direct(ctx))
	switch {
	case s.ended.Err() != nil: // nobody wants to know any more
	case err != nil:
		log.Warn(s.name+": cannot tell whether commits are synced to the disk", "error", err)
	case setting != "":
		log.Warn(s.name+": commits are not synced to the disk before they return; "+
			"a crash of the server can lose events that were accepted, and undo what was settled", "setting", setting)
	}
}
