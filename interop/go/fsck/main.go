// Fsck runs Tessera's integrity check over a log in a directory: every bundle, every tile, the root.
//
//	fsck -dir DIR -vkey VKEY
//
// Tessera's own command draws a terminal interface and exits 0 whatever it finds; this one exits 1 on a bad log.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	dir := flag.String("dir", "", "directory that holds the log")
	vkey := flag.String("vkey", "", "verifier key of the log")
	flag.Parse()
	if err := check(*dir, *vkey); err != nil {
		fmt.Fprintln(os.Stderr, "REJECTED:", err)
		os.Exit(1)
	}
	fmt.Println("ACCEPTED")
}

func check(dir, vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	files := &client.FileFetcher{Root: dir}
	// A worker ends at the first difference it finds, and with none left the check waits for ever. One changed byte
	// makes a difference per level, so this many are never used up.
	opts := fsck.Opts{N: 16}
	return fsck.New(verifier.Name(), verifier, files, leafHashes, opts).Check(context.Background())
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(entries.Entries))
	for i, entry := range entries.Entries {
		hashes[i] = rfc6962.DefaultHasher.HashLeaf(entry)
	}
	return hashes, nil
}
