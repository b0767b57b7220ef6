//go:build !linux

package credential

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
)

// Supported reports whether a session can tell who asks.
const Supported = false

var errNotHere = errors.New("this system does not tell who asks")

// CloseMemory is for systems that can.
func CloseMemory() error { return errNotHere }

func admit(*net.UnixConn) error { return errNotHere }

// private holds that a folder is one. On Windows the user's temporary folder is closed to others by itself.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the folder for tokens: %w", err)
	}
	if !info.IsDir() || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a folder of this user alone", dir)
	}
	return nil
}
