// Verify cases of a transparency log with golang.org/x/mod/sumdb, which the Go command trusts its modules to.
//
// Reads JSON from standard input, and writes an array with one string for each case: empty, or why it is refused.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

type hashes []tlog.Hash

func (h *hashes) UnmarshalJSON(data []byte) error {
	var raw [][]byte
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for _, one := range raw {
		var hash tlog.Hash
		if copy(hash[:], one) != tlog.HashSize || len(one) != tlog.HashSize {
			return errors.New("a hash has 32 bytes")
		}
		*h = append(*h, hash)
	}
	return nil
}

type testCase struct {
	Checkpoint  string
	Entry       []byte
	Number      int64
	Inclusion   hashes
	Earlier     int64
	EarlierRoot hashes
	Consistency hashes
	// A log to read all of it from instead, but the earlier root.
	URL string
}

type input struct {
	Vkey  string
	Cases []testCase
}

func parse(text string) (tree tlog.Tree, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tree, errors.New("a checkpoint has three lines")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, errors.New("the size is no decimal number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || copy(tree.Hash[:], root) != tlog.HashSize || len(root) != tlog.HashSize {
		return tree, errors.New("the root is no hash")
	}
	return tree, nil
}

func open(checkpoint string, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	if strings.SplitN(opened.Text, "\n", 2)[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("another log's checkpoint")
	}
	return parse(opened.Text)
}

type tiles struct{ url string }

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func (t tiles) Height() int { return tileHeight }

// Paths of the checksum database name the height as well; those of C2SP, which came later, do not.
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := get(t.url + "/" + strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has another length", tile.Path())
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) entry(tree tlog.Tree, number int64) ([]byte, error) {
	tile := tlog.Tile{H: tileHeight, L: 0, N: number / 256, W: 256}
	if left := tree.N - tile.N*256; left < 256 {
		tile.W = int(left)
	}
	data, err := get(t.url + "/" + strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1))
	for left := number % 256; err == nil; left-- {
		if len(data) < 2 || len(data)-2 < int(data[0])<<8|int(data[1]) {
			return nil, errors.New("the bundle ends early")
		}
		length := int(data[0])<<8 | int(data[1])
		if left == 0 {
			return data[2 : 2+length], nil
		}
		data = data[2+length:]
	}
	return nil, err
}

// Read what a case lacks from its log.
func (c *testCase) fill(vkey string) error {
	source := tiles{c.URL}
	checkpoint, err := get(c.URL + "/checkpoint")
	if err != nil {
		return err
	}
	c.Checkpoint = string(checkpoint)
	tree, err := open(c.Checkpoint, vkey)
	if err != nil {
		return err
	}
	if c.Entry, err = source.entry(tree, c.Number); err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, source)
	inclusion, err := tlog.ProveRecord(tree.N, c.Number, reader)
	if err != nil {
		return err
	}
	c.Inclusion = hashes(inclusion)
	consistency, err := tlog.ProveTree(tree.N, c.Earlier, reader)
	c.Consistency = hashes(consistency)
	return err
}

func (c testCase) verify(vkey string) error {
	if c.URL != "" {
		if err := c.fill(vkey); err != nil {
			return err
		}
	}
	tree, err := open(c.Checkpoint, vkey)
	if err != nil {
		return err
	}
	if c.Number < 0 || c.Number >= tree.N || c.Earlier < 1 || c.Earlier > tree.N || len(c.EarlierRoot) != 1 {
		return errors.New("not in this tree")
	}
	err = tlog.CheckRecord(tlog.RecordProof(c.Inclusion), tree.N, tree.Hash, c.Number, tlog.RecordHash(c.Entry))
	if err != nil {
		return fmt.Errorf("inclusion: %w", err)
	}
	err = tlog.CheckTree(tlog.TreeProof(c.Consistency), tree.N, tree.Hash, c.Earlier, c.EarlierRoot[0])
	if err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	return nil
}

func main() {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verdicts := []string{}
	for _, one := range given.Cases {
		verdict := ""
		if err := one.verify(given.Vkey); err != nil {
			verdict = err.Error()
		}
		verdicts = append(verdicts, verdict)
	}
	json.NewEncoder(os.Stdout).Encode(verdicts)
}
