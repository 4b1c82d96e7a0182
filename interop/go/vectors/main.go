// Vectors writes test vectors made by golang.org/x/mod/sumdb into a directory: signed notes, trees with their
// proofs, tile paths and contents. Everything comes from fixed seeds, so a second run writes the same bytes.
//
//	vectors DIR
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	madeBy    = "golang.org/x/mod/sumdb/{note,tlog} as packaged by Debian 12 (golang-golang-x-mod-dev), run by interop/go/vectors/main.go"
	entryRule = "entry i is the ASCII text `entry <i>`, i in decimal"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: vectors DIR")
		os.Exit(2)
	}
	write("go-notes.json", notes())
	hashes := grow(70000)
	write("go-proofs.json", proofs(hashes))
	write("go-tiles.json", tiles(hashes, 70000))
}

func write(name string, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	must(encoder.Encode(value))
	must(os.WriteFile(filepath.Join(os.Args[1], name), text.Bytes(), 0o644))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Notes.

type noteCase struct {
	About string   `json:"about"`
	Skeys []string `json:"skeys"`
	Vkeys []string `json:"vkeys"`
	Text  string   `json:"text"`
	Note  string   `json:"note"`
}

type notesFile struct {
	Origin string     `json:"origin"`
	Notes  []noteCase `json:"notes"`
}

func notes() notesFile {
	root := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	names := []string{"example.com/log", "witness.example/w1", "ключ.example/日本", "a"}
	texts := []struct{ about, text string }{
		{"one line", "hello\n"},
		{"blank lines inside", "first\n\nthird\n\n\nsixth\n"},
		{"only a newline", "\n"},
		{"text that looks like a signature", "— example.com/log AAAA\n"},
		{"beyond ASCII", "ünïcødé 日本 \U0001f331\n"},
		{"checkpoint", "example.com/log\n70000\n" + root + "\n"},
		{"checkpoint of an empty tree", "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"},
		{"checkpoint with extension lines", "example.com/log\n1\n" + root + "\nextension one\ntwo\n"},
		{"checkpoint of the largest size", "example.com/log\n9007199254740991\n" + root + "\n"},
	}
	file := notesFile{Origin: madeBy}
	seed := byte(0)
	for _, text := range texts {
		for signers := 1; signers <= 3; signers++ {
			c := noteCase{About: fmt.Sprintf("%s; signatures: %d", text.about, signers), Text: text.text}
			var with []note.Signer
			for i := 0; i < signers; i++ {
				seed++
				skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 32)), names[i*int(seed)%len(names)])
				must(err)
				signer, err := note.NewSigner(skey)
				must(err)
				c.Skeys, c.Vkeys = append(c.Skeys, skey), append(c.Vkeys, vkey)
				with = append(with, signer)
			}
			signed, err := note.Sign(&note.Note{Text: text.text}, with...)
			must(err)
			c.Note = string(signed)
			file.Notes = append(file.Notes, c)
		}
	}
	return file
}

// Trees.

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = m[index]
	}
	return hashes, nil
}

func grow(size int64) memory {
	var hashes memory
	for i := int64(0); i < size; i++ {
		more, err := tlog.StoredHashes(i, []byte(fmt.Sprintf("entry %d", i)), hashes)
		must(err)
		hashes = append(hashes, more...)
	}
	return hashes
}

type inclusion struct {
	Size  int64       `json:"size"`
	Index int64       `json:"index"`
	Proof []tlog.Hash `json:"proof"`
}

type consistency struct {
	Old   int64       `json:"old"`
	Size  int64       `json:"size"`
	Proof []tlog.Hash `json:"proof"`
}

type proofsFile struct {
	Origin      string            `json:"origin"`
	Entries     string            `json:"entries"`
	Roots       map[string]string `json:"roots"`
	Inclusion   []inclusion       `json:"inclusion"`
	Consistency []consistency     `json:"consistency"`
	All         allProofs         `json:"all"`
}

// allProofs pins every proof of every tree up to a size without writing them all down.
type allProofs struct {
	MaxSize     int64  `json:"maxSize"`
	About       string `json:"about"`
	Inclusion   string `json:"inclusion"`
	Consistency string `json:"consistency"`
}

func proofs(hashes memory) proofsFile {
	file := proofsFile{Origin: madeBy, Entries: entryRule, Roots: map[string]string{}}
	root := func(size int64) {
		hash, err := tlog.TreeHash(size, hashes)
		must(err)
		file.Roots[fmt.Sprint(size)] = hash.String()
	}
	sizes := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 100, 255, 256, 257, 511, 1000, 65535, 65536, 65537, 70000}
	for size := int64(1); size <= 300; size++ {
		root(size)
	}
	for _, size := range sizes {
		root(size)
		for _, index := range below(size) {
			proof, err := tlog.ProveRecord(size, index, hashes)
			must(err)
			file.Inclusion = append(file.Inclusion, inclusion{size, index, listed(proof)})
		}
		for _, index := range below(size) {
			root(index + 1)
			proof, err := tlog.ProveTree(size, index+1, hashes)
			must(err)
			file.Consistency = append(file.Consistency, consistency{index + 1, size, listed(proof)})
		}
	}
	file.All = everyProof(hashes, 200)
	return file
}

// listed makes an empty proof an empty list: JSON would say null.
func listed(hashes []tlog.Hash) []tlog.Hash {
	return append([]tlog.Hash{}, hashes...)
}

// below picks indices where trees change shape: all of a small tree, the edges of a large one.
func below(size int64) []int64 {
	var picked []int64
	for index := int64(0); index < size; index++ {
		near := func(n int64) bool { return index >= n-1 && index <= n }
		if size <= 9 || near(0) || near(size/2) || near(size-1) || near(256) || near(65536) || index == size-size/3 {
			picked = append(picked, index)
		}
	}
	return picked
}

func everyProof(hashes memory, max int64) allProofs {
	inclusions, consistencies := sha256.New(), sha256.New()
	for size := int64(1); size <= max; size++ {
		for index := int64(0); index < size; index++ {
			record, err := tlog.ProveRecord(size, index, hashes)
			must(err)
			for _, hash := range record {
				inclusions.Write(hash[:])
			}
			tree, err := tlog.ProveTree(size, index+1, hashes)
			must(err)
			for _, hash := range tree {
				consistencies.Write(hash[:])
			}
		}
	}
	return allProofs{
		MaxSize:     max,
		About:       "SHA-256 (hex) over the hashes of all proofs, for size 1..maxSize: inclusion of index 0..size-1, consistency of old size 1..size",
		Inclusion:   hex.EncodeToString(inclusions.Sum(nil)),
		Consistency: hex.EncodeToString(consistencies.Sum(nil)),
	}
}

// Tiles.

type tilePath struct {
	Level int    `json:"level"` // -1: an entry bundle
	Index int64  `json:"index"`
	Width int    `json:"width"`
	Path  string `json:"path"`
}

type tilesFile struct {
	Origin  string            `json:"origin"`
	Entries string            `json:"entries"`
	Paths   []tilePath        `json:"paths"`
	Size    int64             `json:"size"`
	Root    string            `json:"root"`
	Tiles   map[string]string `json:"tilesSha256"`
}

func tiles(hashes memory, size int64) tilesFile {
	file := tilesFile{Origin: madeBy, Entries: entryRule, Size: size, Tiles: map[string]string{}}
	for _, level := range []int{-1, 0, 1, 2, 6} {
		for _, index := range []int64{0, 7, 999, 1000, 1234067, 999999, 1000000, 1<<45 - 1} {
			for _, width := range []int{1, 17, 255, 256} {
				tile := tlog.Tile{H: 8, L: level, N: index, W: width}
				file.Paths = append(file.Paths, tilePath{level, index, width, path(tile)})
			}
		}
	}
	root, err := tlog.TreeHash(size, hashes)
	must(err)
	file.Root = root.String()
	for _, tile := range tlog.NewTiles(8, 0, size) {
		// Go lists the partial tiles of every size on the way; a log of this size has the widest ones.
		if int64(tile.W) < width(tile, size) {
			continue
		}
		data, err := tlog.ReadTileData(tile, hashes)
		must(err)
		sum := sha256.Sum256(data)
		file.Tiles[path(tile)] = hex.EncodeToString(sum[:])
	}
	return file
}

// width is how many hashes of a tile exist in a tree of the given size.
func width(tile tlog.Tile, size int64) int64 {
	hashes := size>>(8*tile.L) - tile.N*256
	if hashes > 256 {
		return 256
	}
	return hashes
}

// path is where C2SP puts a tile: Go's own path without the height, and entries for data.
func path(tile tlog.Tile) string {
	return strings.Replace(strings.Replace(tile.Path(), "tile/8/", "tile/", 1), "tile/data/", "tile/entries/", 1)
}
