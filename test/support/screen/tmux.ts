/** A real terminal in a child process: tmux on a socket of its own, with a shell in it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../daemon/home.ts'

const ESCAPE = '\x1b'

export interface Tmux {
  /** Keys by tmux's names: `Enter`, `C-z`, `j`. */
  keys(...names: string[]): void
  /** A line for the shell. */
  type(text: string): void
  /** The colour behind the text, as `#rrggbb`: tmux answers with it where a program asks. */
  paper(colour: string): void
  /** As a terminal does it: told apart from typing where the program asked for that. */
  paste(text: string): void
  lines(): string[]
  /** With what has left the window: narrowing it breaks lines in two, and the first ones scroll out. */
  history(): string
  /** The screen with the sequences that draw it anew, and the blanks at the end of its lines. */
  styled(): string
  /** From now on; answers every byte that was written to the terminal since. */
  record(): () => string
  /** The sequences of colours and looks on the screen. */
  looks(): string[]
  sees(what: string | RegExp): Promise<void>
  resize(columns: number, rows: number): void
  isAlternate(): boolean
  hasCursor(): boolean
  /** What programs may set by a sequence. */
  title(): string
  /** The pid of what the shell runs. */
  child(): number
  close(): void
}

export function openTmux(env: Record<string, string>, columns: number, rows: number): Tmux {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-tmux-'))
  const socket = path.join(folder, 's')
  const shell = { ...env, TERM: 'xterm-256color', LANG: 'C.UTF-8', PS1: '$ ', ENV: '' }
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { env: shell, timeout: 20_000 }).toString()
  tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), 'bash --norc --noprofile -i')
  const lines = () => tmux('capture-pane', '-p').split('\n').slice(0, -1)
  const flag = (name: string) => tmux('display-message', '-p', `#{${name}}`).trim() === '1'
  return {
    keys: (...names) => void tmux('send-keys', ...names),
    type: text => void tmux('send-keys', '-l', `${text}\r`),
    paper: colour => void tmux('set-option', 'window-style', `bg=${colour}`),
    paste(text) {
      tmux('set-buffer', '-b', 'text', text)
      tmux('paste-buffer', '-p', '-b', 'text')
    },
    lines,
    history: () => tmux('capture-pane', '-p', '-S', '-'),
    record() {
      const file = path.join(folder, 'written')
      tmux('pipe-pane', `cat >> ${file}`)
      return () => (existsSync(file) ? readFileSync(file, 'utf8') : '')
    },
    styled: () => tmux('capture-pane', '-peN'),
    looks: () =>
      tmux('capture-pane', '-pe')
        .split(ESCAPE)
        .slice(1)
        .map(text => text.slice(0, text.indexOf('m') + 1)),
    resize: (wide, high) => void tmux('resize-window', '-x', String(wide), '-y', String(high)),
    isAlternate: () => flag('alternate_on'),
    hasCursor: () => flag('cursor_flag'),
    title: () => tmux('display-message', '-p', '#{pane_title}').trim(),
    child() {
      const shell = tmux('display-message', '-p', '#{pane_pid}').trim()
      return Number(execFileSync('ps', ['-o', 'pid=', '--ppid', shell]).toString().trim().split('\n')[0])
    },
    async sees(what) {
      const isThere = () => {
        const text = lines().join('\n')
        return typeof what === 'string' ? text.includes(what) : what.test(text)
      }
      await until(`the terminal shows ${what}`, isThere, 60_000).catch(error => {
        throw new Error(`${error.message}\n${lines().join('\n')}`)
      })
    },
    close() {
      tmux('kill-server')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
