package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tagboat/tagboat/internal/cli/keys"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/render"
)

// settingsSchema names the version of the shape of settings. Additive changes keep it.
const settingsSchema = "tagboat.config/v1"

// settings is the JSON document of `tagboat config`.
type settings struct {
	Schema   string               `json:"schema"`
	File     string               `json:"file,omitempty"`
	Settings []config.Setting     `json:"settings"`
	Tokens   []render.TokenSource `json:"tokens"` // of every registry that tagboat.toml or .cargo/config.toml names
}

func (a *app) configCommand() *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Print the configuration in force, where each value comes from, and which variable holds each registry's token",
		Example: "  tagboat config\n  tagboat config --schema > tagboat.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if schema {
				_, err := a.streams.Out.Write(config.Schema())
				return err
			}
			return a.config()
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of tagboat.toml instead")
	return cmd
}

func (a *app) config() error {
	path := filepath.Join(a.dir, config.File)
	text, err := os.ReadFile(path)
	doc := settings{Schema: settingsSchema}
	cfg, origins := config.Default(), config.Origins(nil)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return &problem.Error{Kind: problem.Failed, Summary: "cannot read the configuration", Err: err}
	default:
		doc.File = config.File
		if cfg, origins, err = config.Load(text, config.File); err != nil {
			return err
		}
	}
	doc.Settings = config.Settings(cfg, origins)
	cargos, err := os.ReadFile(filepath.Join(a.dir, ".cargo", "config.toml"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return &problem.Error{Kind: problem.Failed, Summary: "cannot read cargo's configuration", Err: err}
	}
	doc.Tokens = a.tokens(cfg, keys.CargoRegistries(cargos)).Sources()
	if a.json {
		return render.JSON(a.streams.Out, doc)
	}
	style := a.style(a.streams.Out)
	_, err = fmt.Fprint(a.streams.Out, render.Settings(style, doc.Settings), "\n", render.TokenSources(style, doc.Tokens))
	return err
}
