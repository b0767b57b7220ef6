//go:build !linux

package zone

import "runtime"

// isolate says that nothing is closed here: only the environment and the folders are the zone's own.
func (z *Zone) isolate() ([]string, error) {
	if err := z.makeFolders(); err != nil {
		return nil, err
	}
	missing := []string{"files, processes and the network are open to programs in the build zone (" + runtime.GOOS + " has neither Landlock nor namespaces)"}
	z.isolation = []string{"not isolated: " + missing[0]}
	return missing, nil
}
