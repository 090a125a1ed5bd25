package callback

import "fmt"

// Reload has attempts that begin from now on use the Secrets, TrustedSites, Sites and Timeout of cfg; a nil cfg means their
// defaults. Its other fields are not looked at: they stay as they were when the Sender was made. Where one of the four has a
// fault, the error names it, and everything stays as it was. It may be called at any time.
//
// To rotate a secret, put the new one in front of the old one, reload, tell the receivers, and reload without the old one:
// in between every callback has both signatures.
func (s *Sender) Reload(cfg *Config) error {
	next := s.cfg
	var given Config
	if cfg != nil {
		given = *cfg
	}
	next.Secrets, next.TrustedSites, next.Sites, next.Timeout = given.Secrets, given.TrustedSites, given.Sites, given.Timeout
	if err := next.Validate(); err != nil {
		return fmt.Errorf("callback: reload: %w", err)
	}
	next = next.withDefaults()
	rules, err := newRules(&next)
	if err != nil {
		return fmt.Errorf("callback: reload: %w", err)
	}
	s.rules.Store(rules)
	return nil
}
