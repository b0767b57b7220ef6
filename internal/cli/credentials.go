package cli

import (
	"github.com/tagboat/tagboat/internal/cli/access"
	"github.com/tagboat/tagboat/internal/config"
)

// desk is this call, as far as access to registries goes.
func (a *app) desk() *access.Desk {
	return &access.Desk{Dir: a.dir, Env: a.env, In: a.streams.In, Out: a.streams.Out, Err: a.streams.Err, PlainOut: a.plain.Out, PlainErr: a.plain.Err,
		Masker: a.masker, JSON: a.json, UserAgent: userAgent(), Say: a.say, Warn: a.warn, Flush: func() { flush(a.streams.Out, a.streams.Err) },
		Keys: func(cfg config.Config, indexes map[string]string) access.Keys {
			held := a.tokens(cfg, indexes)
			return access.Keys{From: held.From, Variables: held.Variables, Client: a.clients(cfg, a.credentials(cfg, held))}
		}}
}
