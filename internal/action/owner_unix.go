//go:build unix

package action

import (
	"fmt"
	"os"
	"syscall"
)

// giveAway makes a file belong to whoever owns the workspace: the container's root is not the user of later steps.
func (s *step) giveAway(root *os.Root, name string) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	if err := root.Lchown(name, int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("give it to the workspace's owner: %w", err)
	}
	return nil
}
