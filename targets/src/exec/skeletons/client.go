// A client of a register (and of a set) on Redis, for Duress. Change `server` to talk to your system.
//
// Duress starts this program once per connection, writes one JSON message per line to its standard input, and
// reads one answer per line from its standard output. Everything else belongs on standard error.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Less than Duress waits, so that it is we who say what is in doubt.
const timeout = time.Second

// failed means that it certainly has not happened; every other error, that it may have.
type failed struct{ why string }

func (f failed) Error() string { return f.why }

// server is one connection to one Redis server, opened when it is needed.
type server struct {
	where      string
	connection net.Conn
	reader     *bufio.Reader
}

// call sends one command, once. Never repeat a command: it may be done twice.
func (s *server) call(words ...string) (any, error) {
	if s.connection == nil {
		connection, err := net.DialTimeout("tcp", s.where, timeout)
		if err != nil {
			// Nothing has been sent: that is certain. `refused` lets Duress rest for a moment.
			return nil, failed{"refused: " + err.Error()}
		}
		s.connection, s.reader = connection, bufio.NewReader(connection)
	}
	request := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		request += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	s.connection.SetDeadline(time.Now().Add(timeout))
	_, err := io.WriteString(s.connection, request)
	var reply any
	if err == nil {
		reply, err = s.reply()
	}
	if err != nil {
		// From the first byte on nobody knows. This connection is not used again.
		s.connection.Close()
		s.connection = nil
		return nil, err
	}
	if text, ok := reply.(redisError); ok {
		// Redis says some errors instead of doing anything; of the others we do not know.
		for _, certain := range []string{"LOADING", "MISCONF", "OOM", "READONLY", "BUSY", "NOAUTH"} {
			if strings.HasPrefix(string(text), certain) {
				return nil, failed{string(text)}
			}
		}
		return nil, errors.New(string(text))
	}
	return reply, nil
}

type redisError string

func (s *server) reply() (any, error) {
	line, err := s.reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return redisError(rest), nil
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	}
	length, err := strconv.Atoi(rest)
	if err != nil || length < 0 {
		return nil, err
	}
	if kind == '*' {
		items := make([]any, length)
		for n := range items {
			if items[n], err = s.reply(); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
	text := make([]byte, length+2)
	_, err = io.ReadFull(s.reader, text)
	return string(text[:length]), err
}

// One command does it all, so that only one thing can be in doubt.
const cas = "if redis.call('GET',KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET',KEYS[1],ARGV[2]) return 1"

// register returns what the question's null stands for, or nil where there is none.
func register(s *server, f string, key int64, value json.RawMessage) (any, error) {
	name := fmt.Sprintf("register-%d", key)
	switch f {
	case "read":
		held, err := s.call("GET", name)
		if err != nil || held == nil {
			return nil, err
		}
		return strconv.ParseInt(held.(string), 10, 64)
	case "write":
		_, err := s.call("SET", name, string(value))
		return value, err
	case "cas":
		var pair [2]int64
		if err := json.Unmarshal(value, &pair); err != nil {
			return nil, failed{"unsupported: " + err.Error()}
		}
		swapped, err := s.call("EVAL", cas, "1", name, fmt.Sprint(pair[0]), fmt.Sprint(pair[1]))
		if err == nil && swapped != int64(1) {
			err = failed{"precondition: the value was another"}
		}
		return value, err
	}
	return nil, failed{"unsupported"}
}

// set is a set of whole numbers.
func set(s *server, f string, key int64, value json.RawMessage) (any, error) {
	name := fmt.Sprintf("set-%d", key)
	switch f {
	case "add":
		_, err := s.call("SADD", name, string(value))
		return value, err
	case "read":
		members, err := s.call("SMEMBERS", name)
		if err != nil {
			return nil, err
		}
		elements := []int64{}
		for _, member := range members.([]any) {
			element, err := strconv.ParseInt(member.(string), 10, 64)
			if err != nil {
				return nil, err
			}
			elements = append(elements, element)
		}
		return elements, nil
	}
	return nil, failed{"unsupported"}
}

// message is what Duress says.
type message struct {
	Type     string
	Address  string
	Port     int
	Workload string
	ID       uint64
	F        string
	Value    [2]json.RawMessage
}

func main() {
	workloads := map[string]func(*server, string, int64, json.RawMessage) (any, error){"register": register, "set": set}
	perform := register
	s := &server{}
	out := json.NewEncoder(os.Stdout) // not buffered: every answer is sent at once
	lines := bufio.NewScanner(os.Stdin)
	// Ends when Duress says `close`, or is gone: then there are no more lines.
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		switch m.Type {
		case "init":
			var known bool
			if perform, known = workloads[m.Workload]; !known {
				out.Encode(map[string]any{"type": "fail", "error": "unsupported: no workload " + m.Workload})
				continue
			}
			if m.Port == 0 {
				m.Port = 6379
			}
			s.where = net.JoinHostPort(m.Address, strconv.Itoa(m.Port))
			out.Encode(map[string]any{"type": "init_ok"})
		case "setup":
			// Make tables here, and make it no error if they are there. Redis needs nothing.
			out.Encode(map[string]any{"type": "setup_ok"})
		case "invoke":
			var key int64
			json.Unmarshal(m.Value[0], &key)
			result, err := perform(s, m.F, key, m.Value[1])
			var certain failed
			switch {
			case err == nil:
				out.Encode(map[string]any{"type": "ok", "id": m.ID, "value": []any{key, result}})
			case errors.As(err, &certain):
				out.Encode(map[string]any{"type": "fail", "id": m.ID, "error": err.Error()})
			default:
				out.Encode(map[string]any{"type": "info", "id": m.ID, "error": err.Error()})
			}
		case "close":
			return
		}
	}
}
