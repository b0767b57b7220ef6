package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) storm(ctx context.Context, f rehearsalFlags) error { return nil }
func (a *app) rollingCommand() *cobra.Command                    { return &cobra.Command{Use: "rolling", Hidden: true} }
