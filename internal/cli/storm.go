package cli

import "context"

func (a *app) storm(ctx context.Context, f rehearsalFlags) error { return nil }
