package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// Program is one call of a program of the user's: cargo, or the Azure CLI.
type Program struct {
	Dir      string
	Argv     []string
	Env      map[string]string
	In       io.Reader
	Out, Err io.Writer
}

func (p Program) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Argv[0], p.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Dir, p.environ(), p.In, p.Out, p.Err
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func (p Program) environ() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		out = append(out, name+"="+p.Env[name])
	}
	return out
}

// Run runs the program to its end. A program that ran and failed is an exit code, not an error.
func (p Program) Run(ctx context.Context) (exit int, err error) {
	err = p.command(ctx).Run()
	var ended *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &ended) {
		if by, ok := ended.Sys().(syscall.WaitStatus); ok && by.Signaled() {
			return 128 + int(by.Signal()), nil // as a shell says it
		}
		return ended.ExitCode(), nil
	}
	return 0, err
}

// Output runs the program and returns what it writes; an error holds what it says of it.
func (p Program) Output(ctx context.Context) ([]byte, error) {
	var out, errs bytes.Buffer
	p.Out, p.Err = &out, &errs
	if err := p.command(ctx).Run(); err != nil {
		said := strings.TrimSpace(errs.String())
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(p.Argv, " "), err, said[max(0, len(said)-4000):])
	}
	return out.Bytes(), nil
}

// Installed reports whether a program is there to be run.
func Installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// AzureResource is Azure DevOps, as Entra knows it.
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
const AzureResource = "499b84ac-1321-427f-aa17-267ca6975798"

// AzureToken asks the Azure CLI for an access token to Azure DevOps, and returns it as an Authorization header. It lives
// for about an hour.
// https://learn.microsoft.com/cli/azure/account#az-account-get-access-token
func AzureToken(ctx context.Context, env map[string]string) (secret.Value, time.Time, error) {
	text, err := Program{Argv: []string{"az", "account", "get-access-token", "--resource", AzureResource, "--output", "json"}, Env: env}.Output(ctx)
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	var said struct {
		Token   string `json:"accessToken"`
		Expires int64  `json:"expires_on"` // seconds; older versions lack it
	}
	if err := json.Unmarshal(text, &said); err != nil || said.Token == "" {
		return secret.Value{}, time.Time{}, errors.New("az account get-access-token gave no access token") // what it wrote may be one
	}
	if said.Expires == 0 {
		return secret.New("Bearer " + said.Token), time.Time{}, nil
	}
	return secret.New("Bearer " + said.Token), time.Unix(said.Expires, 0).UTC(), nil
}
