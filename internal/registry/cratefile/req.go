package cratefile

import "github.com/tagboat/tagboat/internal/semver"

// canonicalReq returns a requirement as cargo prints it.
func canonicalReq(s string) (string, error) {
	req, err := semver.ParseReq(s)
	if err != nil {
		return "", err
	}
	return req.String(), nil
}
