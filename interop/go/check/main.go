// Check reads a C2SP tiled log from a directory with nothing but golang.org/x/mod/sumdb, the package that checks
// Go's own checksum database, and says whether it believes it.
//
//	check -dir DIR -vkey VKEY [-index I,J,...] [-old SIZE:ROOT,...]
//
// It opens the checkpoint, rebuilds the tree from every entry bundle, compares its root with the checkpoint's and its
// tiles with the files, and then, from the tiles alone, proves the inclusion of the listed indices and consistency with
// the listed older roots. It prints a line for each and exits 1 at the first thing that does not hold.
//
// Tiles are compared rather than left to tlog.TileHashReader: that of x/mod 0.7.0 does not authenticate the first few
// tiles it reads when several hashes of the right edge share a tile (later releases do).
package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

func main() {
	dir := flag.String("dir", "", "directory that holds the log")
	vkey := flag.String("vkey", "", "verifier key of the log")
	indices := flag.String("index", "", "comma-separated indices to prove the inclusion of")
	olds := flag.String("old", "", "comma-separated SIZE:ROOT to prove consistency with, ROOT in base64")
	flag.Parse()
	if err := check(*dir, *vkey, list(*indices), list(*olds)); err != nil {
		fmt.Fprintln(os.Stderr, "REJECTED:", err)
		os.Exit(1)
	}
	fmt.Println("ACCEPTED")
}

func check(dir, vkey string, indices, olds []string) error {
	tree, err := openCheckpoint(dir, vkey)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	fmt.Printf("checkpoint %d %s\n", tree.N, tree.Hash)

	rebuilt, err := rebuild(dir, tree.N)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(tree.N, rebuilt)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if root != tree.Hash {
		return fmt.Errorf("root: the records hash to %s", root)
	}
	fmt.Printf("root ok %d records\n", tree.N)

	count, err := compareTiles(dir, tree.N, rebuilt)
	if err != nil {
		return err
	}
	fmt.Printf("tiles ok %d\n", count)

	hashes := tlog.TileHashReader(tree, directory(dir))
	for _, text := range indices {
		index, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		if err := checkInclusion(dir, tree, index, hashes); err != nil {
			return fmt.Errorf("inclusion of %d: %w", index, err)
		}
		fmt.Printf("inclusion ok %d\n", index)
	}
	for _, text := range olds {
		if err := checkConsistency(tree, text, hashes); err != nil {
			return fmt.Errorf("consistency with %s: %w", text, err)
		}
		fmt.Printf("consistency ok %s\n", text)
	}
	return nil
}

// openCheckpoint verifies the note and reads the tree in it. The first line is the origin: x/mod knows only its
// own, so the rest is handed to it under that name.
func openCheckpoint(dir, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("origin %q, key name %q", origin, verifier.Name())
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

// stored is a tree in memory, in x/mod's order.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = s[index]
	}
	return hashes, nil
}

// rebuild makes the tree from the records of all bundles.
func rebuild(dir string, size int64) (stored, error) {
	var hashes stored
	for first := int64(0); first < size; first += tileWidth {
		records, err := readBundle(dir, first/tileWidth, size)
		if err != nil {
			return nil, fmt.Errorf("bundle %d: %w", first/tileWidth, err)
		}
		for i, record := range records {
			more, err := tlog.StoredHashes(first+int64(i), record, hashes)
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, more...)
		}
	}
	return hashes, nil
}

// compareTiles reads every tile of a log of this size and compares it with the rebuilt tree.
func compareTiles(dir string, size int64, rebuilt stored) (int, error) {
	count := 0
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		hashes := size >> (tileHeight * level)
		for n := int64(0); n*tileWidth < hashes; n++ {
			tile := tlog.Tile{H: tileHeight, L: level, N: n, W: widthAt(n, hashes)}
			want, err := tlog.ReadTileData(tile, rebuilt)
			if err != nil {
				return 0, err
			}
			got, err := os.ReadFile(path(dir, tile))
			if err != nil {
				return 0, err
			}
			if !bytes.Equal(got, want) {
				return 0, fmt.Errorf("%s is not the tile of the tree", path("", tile))
			}
			count++
		}
	}
	return count, nil
}

// widthAt is the width of the nth tile over so many hashes.
func widthAt(n, hashes int64) int {
	if hashes-n*tileWidth < tileWidth {
		return int(hashes - n*tileWidth)
	}
	return tileWidth
}

func checkInclusion(dir string, tree tlog.Tree, index int64, hashes tlog.HashReader) error {
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	records, err := readBundle(dir, index/tileWidth, tree.N)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(records[index%tileWidth]))
}

func checkConsistency(tree tlog.Tree, text string, hashes tlog.HashReader) error {
	size, root, _ := strings.Cut(text, ":")
	oldSize, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	oldRoot, err := tlog.ParseHash(root)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, oldSize, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, oldSize, oldRoot)
}

// readBundle splits an entry bundle of a log of this size into its records.
func readBundle(dir string, n, size int64) ([][]byte, error) {
	width := widthAt(n, size)
	data, err := os.ReadFile(path(dir, tlog.Tile{H: tileHeight, L: -1, N: n, W: width}))
	if err != nil {
		return nil, err
	}
	records := make([][]byte, 0, width)
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("record %d is cut off", len(records))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		records = append(records, data[2:end])
		data = data[end:]
	}
	if len(records) != width {
		return nil, fmt.Errorf("%d records, want %d", len(records), width)
	}
	return records, nil
}

// path is where C2SP puts a tile: Go's own path without the height, and entries for data.
func path(dir string, tile tlog.Tile) string {
	name := strings.TrimPrefix(tile.Path(), "tile/8/")
	if strings.HasPrefix(name, "data/") {
		name = "entries/" + strings.TrimPrefix(name, "data/")
	}
	return filepath.Join(dir, "tile", name)
}

// directory is a tlog.TileReader over files.
type directory string

func (d directory) Height() int                     { return tileHeight }
func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}
func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = os.ReadFile(path(string(d), tile)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
