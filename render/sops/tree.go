package sops

import (
	"errors"
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/stores"
	"go.yaml.in/yaml/v3"

	"github.com/xetys/tether/render/yamldoc"
)

// maxKeys bounds the keys of a file: services are asked for each.
const maxKeys = 100

// tree makes of a file, YAML or JSON, what sops decrypts. The readers of sops itself
// would do, but they come with its clients for object storage, 200 packages that are
// never used. Comments are left out: they are not in the MAC.
func tree(raw []byte) (sops.Tree, error) {
	node, err := yamldoc.File.ParseOne(raw)
	var limit *yamldoc.LimitError
	var second *yamldoc.SecondError
	switch {
	case errors.As(err, &limit):
		return sops.Tree{}, limit
	case errors.As(err, &second):
		return sops.Tree{}, second
	case err != nil:
		return sops.Tree{}, errors.New("it is no map in YAML or JSON")
	}
	var checked map[string]any // refuses keys that stand twice
	if err := node.Decode(&checked); err != nil {
		return sops.Tree{}, errors.New("it is no map in YAML or JSON")
	}
	value, err := fromNode(node.Content[0])
	branch, ok := value.(sops.TreeBranch)
	if err != nil || !ok {
		return sops.Tree{}, errors.New("it is no map in YAML or JSON")
	}
	branches, meta, err := stores.ExtractMetadata(sops.TreeBranches{branch}, stores.MetadataOpts{Flatten: stores.MetadataFlattenNone})
	switch {
	case err != nil:
		return sops.Tree{}, fmt.Errorf("its sops metadata can't be read: %w", err)
	case meta.MessageAuthenticationCode == "":
		return sops.Tree{}, errors.New("its sops metadata has no mac, so that changes to it would not show: encrypt it anew")
	case meta.MasterKeyCount() > maxKeys:
		return sops.Tree{}, fmt.Errorf("its sops metadata names %d keys, more than %d: encrypt it anew for fewer", meta.MasterKeyCount(), maxKeys)
	case meta.MasterKeyCount() == 0:
		return sops.Tree{}, errors.New("its sops metadata names no key: encrypt it anew")
	case meta.EncryptedCommentRegex != "" || meta.UnencryptedCommentRegex != "":
		return sops.Tree{}, errors.New("what is encrypted in it depends on comments: use encrypted_regex or unencrypted_regex instead")
	}
	return sops.Tree{Branches: branches, Metadata: meta}, nil
}

func fromNode(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return fromNode(n.Alias)
	case yaml.SequenceNode:
		out := []any{}
		for _, e := range n.Content {
			v, err := fromNode(e)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		out := sops.TreeBranch{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			var key any
			if err := n.Content[i].Decode(&key); err != nil {
				return nil, err
			}
			v, err := fromNode(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			out = append(out, sops.TreeItem{Key: key, Value: v})
		}
		return out, nil
	}
	var v any
	return v, n.Decode(&v)
}

// plain makes of a decrypted tree what a values file holds.
func plain(v any) any {
	switch v := v.(type) {
	case sops.TreeBranch:
		out := map[string]any{}
		for _, item := range v {
			if _, comment := item.Key.(sops.Comment); !comment {
				out[fmt.Sprint(item.Key)] = plain(item.Value)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			if _, comment := e.(sops.Comment); !comment {
				out = append(out, plain(e))
			}
		}
		return out
	case []byte:
		return string(v)
	}
	return v
}

// whole returns the text of a file that was encrypted as a whole: sops makes JSON of
// it, with the one key data.
func whole(raw []byte, t sops.Tree) (string, bool) {
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") || len(t.Branches[0]) != 1 || t.Branches[0][0].Key != "data" {
		return "", false
	}
	text, ok := plain(t.Branches[0][0].Value).(string)
	return text, ok
}
