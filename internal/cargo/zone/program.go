package zone

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// LookPath finds a program in the folders of a PATH, "" where it is not. Folders that are named relatively do not count.
func LookPath(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && filepath.IsAbs(dir) && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// Bring copies a program into the zone, whose user may not enter the folder that it is in, and returns the copy's place.
func (z *Zone) Bring(program string) (string, error) {
	z.imports.Lock()
	z.imported++
	dir := filepath.Join(z.dir, "src", strconv.Itoa(z.imported))
	z.imports.Unlock()
	to := filepath.Join(dir, filepath.Base(program))
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = copyFile(program, to)
	}
	if err != nil {
		return "", fmt.Errorf("bring %s into the build zone: %w", program, explainIO(err))
	}
	return to, nil
}
