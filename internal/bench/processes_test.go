//go:build bench

package bench

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// watchEvery is how often the process table is read; a process's time is known to about twice this.
const watchEvery = 2 * time.Millisecond

// processWatch adds up the time during which a descendant of this process with a given name was alive.
type processWatch struct {
	name  string
	stop  chan struct{}
	done  sync.WaitGroup
	total time.Duration
	count int

	known map[int]bool // pid -> is a descendant of ours
	named map[int]bool // descendants that have had the name
}

// watchProcesses begins to watch; finish ends it.
func watchProcesses(t *testing.T, name string) *processWatch {
	t.Helper()
	w := &processWatch{name: name, stop: make(chan struct{}), known: map[int]bool{}, named: map[int]bool{}}
	w.done.Go(w.loop)
	return w
}

// finish returns the time with at least one such process and how many there were.
func (w *processWatch) finish() (time.Duration, int) {
	close(w.stop)
	w.done.Wait()
	return w.total, w.count
}

func (w *processWatch) loop() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last, alive := time.Now(), false
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		if alive {
			w.total += now.Sub(last)
		}
		alive, last = w.look(), now
	}
}

// look reads the process table and reports whether a process with the name is there.
func (w *processWatch) look() bool {
	dir, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return false
	}
	there := map[int]bool{}
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			there[pid] = true
		}
	}
	for pid := range w.known {
		if !there[pid] {
			delete(w.known, pid)
			delete(w.named, pid)
		}
	}
	alive := false
	for pid := range there {
		if ours, seen := w.known[pid]; seen && (!ours || w.named[pid]) {
			alive = alive || w.named[pid]
			continue
		}
		name, parent, running := stat(pid)
		w.known[pid] = parent == os.Getpid() || w.known[parent]
		if w.known[pid] && running && name == w.name {
			w.named[pid], alive = true, true
			w.count++
		}
	}
	return alive
}

// stat reads a process's name, which changes when it executes another program, and its parent.
func stat(pid int) (name string, parent int, running bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", 0, false
	}
	_, rest, _ := strings.Cut(string(text), "(")
	i := strings.LastIndexByte(rest, ')')
	if i < 0 {
		return "", 0, false
	}
	fields := strings.Fields(rest[i+1:])
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, _ = strconv.Atoi(fields[1])
	return rest[:i], parent, fields[0] != "Z"
}
