package zone

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
)

// passed are the variables that go from our environment into the zone's, if they are set. None of them can hold a secret
// in any use that its tool documents.
var passed = []string{
	"LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "SOURCE_DATE_EPOCH",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
	"CARGO_HTTP_CAINFO", "CARGO_HTTP_TIMEOUT", "CARGO_HTTP_MULTIPLEXING", "CARGO_HTTP_LOW_SPEED_LIMIT", "CARGO_HTTP_CHECK_REVOKE",
	"CARGO_NET_RETRY", "CARGO_BUILD_JOBS",
}

// proxies are the variables that name a proxy; they are passed only while the network is open.
var proxies = []string{
	"HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy", "CARGO_HTTP_PROXY",
}

// noProxies say which hosts are reached directly.
var noProxies = []string{"NO_PROXY", "no_proxy"}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environ returns the whole environment of a command, sorted, and the ports of the proxies in it.
func (z *Zone) environ(c Command) ([]string, []uint16, error) {
	outer := lookup(z.config.Environ)
	env := map[string]string{
		"HOME":                z.Home(),
		"CARGO_HOME":          z.CargoHome(),
		"CARGO_TARGET_DIR":    z.Target(),
		"TMPDIR":              z.Tmp(),
		"PATH":                z.path(),
		"CARGO_TERM_COLOR":    "never",
		"CARGO_INCREMENTAL":   "0",
		"GIT_TERMINAL_PROMPT": "0",
		"GIT_CONFIG_NOSYSTEM": "1",
	}
	if c.Network == Closed {
		env["CARGO_NET_OFFLINE"] = "true"
	}
	for _, name := range passed {
		if v, ok := outer[name]; ok {
			env[name] = v
		}
	}
	var ports []uint16
	if c.Network == Open {
		for _, name := range proxies {
			v := outer[name]
			if v == "" {
				continue
			}
			port, err := proxyPort(name, v)
			if err != nil {
				return nil, nil, err
			}
			env[name], ports = v, append(ports, port)
		}
		for _, name := range noProxies {
			if v := outer[name]; v != "" {
				env[name] = v
			}
		}
	}
	maps.Copy(env, z.config.Env)
	maps.Copy(env, c.Env)
	list := make([]string, 0, len(env))
	for name, v := range env {
		list = append(list, name+"="+v)
	}
	slices.Sort(list)
	return list, ports, nil
}

// path is the PATH of the zone: the toolchain's programs, then the system's.
func (z *Zone) path() string {
	if z.toolchain.Sysroot == "" {
		return systemPath
	}
	return z.toolchain.Sysroot + "/bin:" + systemPath
}

// proxyPort returns the port of a proxy, and refuses one whose address carries a password.
func proxyPort(name, value string) (uint16, error) {
	raw := value
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return 0, &problem.Error{Kind: problem.Usage, Summary: name + " is not the address of a proxy"}
	}
	if u.User != nil {
		return 0, &problem.Error{
			Kind:    problem.Usage,
			Summary: name + " carries a user name or password, which a program in the build zone could read",
			Hint:    "use a proxy that needs no credentials, or set " + name + " to one under package.env in tagboat.toml",
		}
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, &problem.Error{Kind: problem.Usage, Summary: name + " has a port that is no number"}
		}
		return uint16(n), nil
	}
	switch {
	case u.Scheme == "https":
		return 443, nil
	case strings.HasPrefix(u.Scheme, "socks"):
		return 1080, nil
	case name == "CARGO_HTTP_PROXY" || u.Scheme == "":
		return 1080, nil // libcurl's default for a proxy without a port
	}
	return 80, nil
}

// lookup turns a list of NAME=value into a map; the last of equal names wins, as in a shell.
func lookup(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, v, ok := strings.Cut(kv, "="); ok {
			m[name] = v
		}
	}
	return m
}

// checkEnv refuses names under which tools keep secrets, and names that no environment can hold.
func checkEnv(env map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(env[name], "\x00") {
			return &problem.Error{Kind: problem.Usage, Summary: "an environment variable for the build zone has a name or value that no program can be given", Detail: strconv.Quote(name)}
		}
		if secretName(name) {
			return &problem.Error{
				Kind:    problem.Usage,
				Summary: "the environment variable " + name + " has the name of a secret, and the build zone gets none",
				Detail:  "build scripts and proc macros of every dependency run there and could read it",
				Hint:    "remove it from package.env in tagboat.toml",
			}
		}
	}
	return nil
}

// secretName reports whether tools keep a secret under this name.
func secretName(name string) bool {
	u := strings.ToUpper(name)
	for word := range strings.SplitSeq(u, "_") {
		for _, secret := range []string{"TOKEN", "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL", "CREDENTIALS"} {
			if strings.HasSuffix(word, secret) {
				return true
			}
		}
	}
	for _, part := range []string{"PRIVATE_KEY", "API_KEY", "ACCESS_KEY"} {
		if strings.Contains(u, part) {
			return true
		}
	}
	return strings.HasPrefix(u, "GITHUB_") || strings.HasPrefix(u, "ACTIONS_") || strings.HasPrefix(u, "RUNNER_")
}
