// Times Porcupine on the histories that the bench of duress-checkers writes: a folder for each
// measurement, a file of JSON lines for each history. Prints name, median and verdict.
//
// Run by porcupine.sh; not a part of Duress.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	runs  = 3
	limit = 30 * time.Second
	// Porcupine keeps a bit for each call with every configuration: longer ones do not fit.
	maxEvents = 30_000
)

type op struct {
	Process int             `json:"process"`
	Type    string          `json:"type"`
	F       string          `json:"f"`
	Value   json.RawMessage `json:"value"`
}

type input struct {
	f        string
	old, new string
}

type output struct {
	known bool
	value string
}

func model(initial string) porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} { return initial },
		Step: func(state, in, out interface{}) (bool, interface{}) {
			held, i, o := state.(string), in.(input), out.(output)
			switch i.f {
			case "read":
				return o.value == held, held
			case "write":
				return true, i.new
			default:
				if held == i.old {
					return true, i.new
				}
				// A compare-and-set in doubt may have been refused.
				return !o.known, held
			}
		},
		Equal: func(a, b interface{}) bool { return a == b },
	}
}

func read(path string) ([]porcupine.Event, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var events []porcupine.Event
	open := map[int]int{}
	drop := map[int]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		var o op
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, err
		}
		at, is := open[o.Process]
		switch {
		case o.Type == "invoke":
			in := input{f: o.F, new: string(o.Value)}
			if o.F == "cas" {
				var pair []json.RawMessage
				if err := json.Unmarshal(o.Value, &pair); err != nil {
					return nil, err
				}
				in.old, in.new = string(pair[0]), string(pair[1])
			}
			open[o.Process] = len(events)
			events = append(events, porcupine.Event{Kind: porcupine.CallEvent, Value: in, Id: len(events)})
		case is && o.Type == "ok":
			out := output{known: true, value: string(o.Value)}
			events = append(events, porcupine.Event{Kind: porcupine.ReturnEvent, Value: out, Id: at})
			delete(open, o.Process)
		case is && o.Type == "fail":
			drop[at] = true
			delete(open, o.Process)
		}
		// After an info the operation stays open.
	}
	rest := []int{}
	for _, at := range open {
		rest = append(rest, at)
	}
	sort.Ints(rest)
	for _, at := range rest {
		if events[at].Value.(input).f == "read" {
			drop[at] = true
			continue
		}
		events = append(events, porcupine.Event{Kind: porcupine.ReturnEvent, Value: output{}, Id: at})
	}
	kept := events[:0]
	for _, event := range events {
		if !drop[event.Id] {
			kept = append(kept, event)
		}
	}
	return kept, lines.Err()
}

func main() {
	folders, err := filepath.Glob(filepath.Join(os.Args[1], "*"))
	if err != nil {
		panic(err)
	}
	for _, folder := range folders {
		name := filepath.Base(folder)
		// Published histories begin with nil, simulated ones with 0.
		initial := "0"
		if strings.HasPrefix(name, "T1") || strings.HasPrefix(name, "T3") {
			initial = "null"
		}
		files, _ := filepath.Glob(filepath.Join(folder, "*.jsonl"))
		var histories [][]porcupine.Event
		long := false
		for _, file := range files {
			events, err := read(file)
			if err != nil {
				panic(err)
			}
			long = long || len(events) > maxEvents
			histories = append(histories, events)
		}
		if long {
			fmt.Printf("%s\t-\ttoo long\n", name)
			continue
		}
		var times []time.Duration
		verdicts := map[porcupine.CheckResult]int{}
		for run := 0; run < runs; run++ {
			from := time.Now()
			verdicts = map[porcupine.CheckResult]int{}
			for _, events := range histories {
				verdicts[porcupine.CheckEventsTimeout(model(initial), events, limit)]++
			}
			times = append(times, time.Since(from))
			if verdicts[porcupine.Unknown] > 0 {
				break
			}
		}
		sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
		fmt.Printf("%s\t%.1f\t%v\n", name, float64(times[len(times)/2].Microseconds())/1e3, verdicts)
	}
}
