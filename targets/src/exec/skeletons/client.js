#!/usr/bin/env node
// A client of a register (and of a set) on Redis, for Duress. Change `Server` to talk to your system.
//
// Duress starts this program once per connection, writes one JSON message per line to its standard input, and
// reads one answer per line from its standard output. Everything else belongs on standard error
// (console.error, not console.log).
'use strict';
const net = require('net');
const readline = require('readline');

// Milliseconds: less than Duress waits, so that it is we who say what is in doubt.
const TIMEOUT = 1000;

// It certainly has not happened.
class Failed extends Error {}

// One connection to one Redis server, opened when it is needed.
class Server {
  constructor(address, port) {
    this.where = { host: address, port };
    this.socket = null;
    this.received = '';
    this.waiting = null; // who waits for a reply
  }

  connect() {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.where);
      const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), TIMEOUT);
      // Nothing has been sent: that is certain. `refused` lets Duress rest for a moment.
      socket.once('error', (error) => { clearTimeout(timer); reject(new Failed(`refused: ${error.message}`)); });
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.setNoDelay(true);
        socket.setEncoding('utf8');
        socket.removeAllListeners('error');
        socket.on('error', (error) => this.broke(error));
        socket.on('close', () => this.broke(new Error('closed before the reply')));
        socket.on('data', (data) => { this.received += data; this.look(); });
        this.socket = socket;
        this.received = '';
        resolve();
      });
    });
  }

  // Sends one command, once. Never repeat a command: it may be done twice.
  async call(...words) {
    if (!this.socket) await this.connect();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.broke(new Error('timeout: no reply in time')), TIMEOUT);
      this.waiting = { resolve, reject, timer };
      const bulk = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
      this.socket.write(`*${words.length}\r\n${bulk.join('')}`);
    });
  }

  settle(how, what) {
    if (!this.waiting) return;
    const { timer } = this.waiting;
    const done = this.waiting[how];
    this.waiting = null;
    clearTimeout(timer);
    done(what);
  }

  // From the first byte on nobody knows. This connection is not used again.
  broke(error) {
    if (this.socket) {
      this.socket.removeAllListeners();
      this.socket.on('error', () => {});
      this.socket.destroy();
      this.socket = null;
    }
    this.settle('reject', error);
  }

  look() {
    const parsed = parse(this.received, 0);
    if (!parsed) return;
    this.received = this.received.slice(parsed.end);
    const { value } = parsed;
    if (!(value instanceof Error)) return this.settle('resolve', value);
    // Redis says some errors instead of doing anything; of the others we do not know.
    const certain = /^(LOADING|MISCONF|OOM|READONLY|BUSY|NOAUTH)/.test(value.message);
    return this.settle('reject', certain ? new Failed(value.message) : value);
  }
}

// A reply and where it ends; null when it is not all there yet.
function parse(text, from) {
  const line = text.indexOf('\r\n', from);
  if (line < 0) return null;
  const [kind, rest, end] = [text[from], text.slice(from + 1, line), line + 2];
  if (kind === '+') return { value: rest, end };
  if (kind === '-') return { value: new Error(rest), end };
  if (kind === ':') return { value: Number(rest), end };
  const length = Number(rest);
  if (length < 0) return { value: null, end };
  if (kind === '$') {
    return text.length < end + length + 2 ? null : { value: text.slice(end, end + length), end: end + length + 2 };
  }
  let at = end;
  const value = [];
  for (let n = 0; n < length; n += 1) {
    const item = parse(text, at);
    if (!item) return null;
    value.push(item.value);
    at = item.end;
  }
  return { value, end: at };
}

// One command does it all, so that only one thing can be in doubt.
const CAS = "if redis.call('GET',KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET',KEYS[1],ARGV[2]) return 1";

const WORKLOADS = {
  async register(server, f, key, value) {
    const name = `register-${key}`;
    if (f === 'read') {
      const held = await server.call('GET', name);
      return held === null ? null : Number(held);
    }
    if (f === 'write') {
      await server.call('SET', name, value);
      return value;
    }
    if (f === 'cas') {
      const [old, next] = value;
      const swapped = await server.call('EVAL', CAS, 1, name, old, next);
      if (swapped !== 1) throw new Failed('precondition: the value was another');
      return value;
    }
    throw new Failed('unsupported');
  },

  async set(server, f, key, value) {
    const name = `set-${key}`;
    if (f === 'add') {
      await server.call('SADD', name, value);
      return value;
    }
    if (f === 'read') return (await server.call('SMEMBERS', name)).map(Number);
    throw new Failed('unsupported');
  },
};

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

let server;
let perform;

async function answer(message) {
  if (message.type === 'init') {
    perform = WORKLOADS[message.workload];
    if (!perform) return say({ type: 'fail', error: `unsupported: no workload ${message.workload}` });
    server = new Server(message.address, message.port || 6379);
    return say({ type: 'init_ok' });
  }
  if (message.type === 'setup') {
    // Make tables here, and make it no error if they are there. Redis needs nothing.
    return say({ type: 'setup_ok' });
  }
  if (message.type === 'close') return process.exit(0);
  const { id, f, value: [key, value] } = message;
  try {
    const result = await perform(server, f, key, value);
    return say({ type: 'ok', id, value: [key, result] });
  } catch (error) {
    // Whatever else went wrong: who knows what has been done.
    return say({ type: error instanceof Failed ? 'fail' : 'info', id, error: error.message });
  }
}

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => answer(JSON.parse(line)));
// Duress is gone, or has said `close`.
lines.on('close', () => process.exit(0));
