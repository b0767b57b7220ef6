package secret

import "testing"

func TestNamedLikeSecret(t *testing.T) {
	for name, want := range map[string]bool{
		"PAT": true, "ADO_CARGO_RW_PAT": true, "PAT_FOR_FEED": true, "Feed_Pat": true, "GITHUB_TOKEN": true, "AZURE_CLIENT_SECRET": true,
		"TAGBOAT_BILL_KEY": true, "CARGO_REGISTRIES_FEED_TOKEN": true, "AWS_CREDENTIALS": true,
		"PATH": false, "LD_LIBRARY_PATH": false, "GITHUB_EVENT_PATH": false, "PATTERN": false, "ACTIONS_ID_TOKEN_REQUEST_URL": false,
		"CARGO_REGISTRIES_FEED_CREDENTIAL_PROVIDER": false, "CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS": false,
	} {
		if got := NamedLikeSecret(name); got != want {
			t.Errorf("NamedLikeSecret(%q) = %v, want %v", name, got, want)
		}
	}
}
