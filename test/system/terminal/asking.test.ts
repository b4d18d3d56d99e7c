/** What needs a person: the editor, questions, the bell; and what a shell does to a program: pipes that close, sockets that are shut. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import { tdfWith, until } from '../../support/daemon/home.ts'
import { withDaemon } from '../../support/daemon/with-daemon.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')

const agent = '[agents.still]\ntype = "command"\ncommand = ["true"]\n'
const { home, repo } = withDaemon(`[runner]\nagent = "still"\n[nodes]\nmax_workspaces = 4\n${agent}`)
let terminal: Tmux

afterEach(() => terminal.close())

function open(env: Record<string, string> = {}): Tmux {
  terminal = openTmux({ ...home.env, ...env }, 100, 24)
  terminal.type(`cd ${repo.dir}; tdf() { node ${program} "$@"; echo "left with $?"; }; clear`)
  return terminal
}

/** An editor as a script: what it does to the file that it is given. */
function editor(script: string): string {
  const file = path.join(home.dir, 'editor.sh')
  writeFileSync(file, script)
  return `sh ${file}`
}

const WITH_OPTION = 'test "$1" = -w && printf "# make it blue\\n\\nAll of it.\\n$(cat "$2")" > "$2"'

const count = async () => (await home.client.call<unknown[]>({ path: '/tasks?all=true' })).length

describe('a missing prompt', () => {
  it('is written in the editor, with its options; what stands below the line is no part of it', async () => {
    const { type, sees } = open({
      EDITOR: `${editor(WITH_OPTION)} -w`,
    })
    type('tdf submit')
    await sees('submitted: # make it blue')
    await sees('left with 0')
    const [task] = JSON.parse((await tdfWith(home, {}, 'ls', '--json')).out)
    expect(task.prompt).toBe('# make it blue\n\nAll of it.')
  }, 180_000)

  it.each([
    ['left empty', 'exit 0', /left empty; nothing was submitted/],
    ['given up', 'exit 3', /ended with exit code 3; nothing was submitted/],
  ])(
    'that was %s submits nothing',
    async (_, script, message) => {
      const before = await count()
      const { type, sees } = open({ VISUAL: editor(script), EDITOR: 'false' })
      type('tdf submit')
      await sees(message)
      await sees('left with 2')
      expect(await count()).toBe(before)
    },
    180_000,
  )

  it('without an editor, and with --no-input, says what to type', async () => {
    const { type, sees } = open({ EDITOR: '', VISUAL: '' })
    type('tdf submit')
    await sees(/neither VISUAL nor EDITOR[\s\S]*tdf submit "what to do"[\s\S]*left with 2/)
    type('clear; EDITOR=true tdf submit --no-input')
    await sees(/there is no prompt[\s\S]*left with 2/)
  }, 180_000)
})

describe('a question', () => {
  async function running(label: string): Promise<string> {
    const words = ['submit', '-q', '--label', `l=${label}`, '--', 'sleep', '600']
    const id = (await tdfWith(home, { cwd: repo.dir }, ...words)).out.trim()
    await until('it runs', async () => (await home.task(id)).step === 'running', 120_000)
    return id
  }

  it.each([
    ['nothing but Enter', ['Enter'], 0],
    ['another letter', ['x', 'Enter'], 0],
    ['Ctrl-D', ['C-d'], 0],
    ['Ctrl-C', ['C-c'], 130],
  ] as const)(
    'answered by %s does nothing',
    async (name, keys, code) => {
      const id = await running(name.replaceAll(' ', '-'))
      const { type, sees } = open()
      type(`tdf cancel --label l=${name.replaceAll(' ', '-')}`)
      await sees('cancel 1 task? [y/N]')
      terminal.keys(...keys)
      await sees(`left with ${code}`)
      expect((await home.task(id)).status).toBe('in_progress')
      await tdfWith(home, {}, 'cancel', id)
    },
    180_000,
  )

  it('answered by y does it', async () => {
    const id = await running('yes')
    const { type, sees } = open()
    type('tdf cancel --label l=yes')
    await sees('cancel 1 task? [y/N]')
    terminal.keys('y', 'Enter')
    await sees('left with 0')
    expect((await home.task(id)).status).not.toBe('in_progress')
  }, 180_000)
})

describe('tdf rm of a result that was never taken', () => {
  async function done(): Promise<string> {
    const script = 'echo more > MORE.md; git add -A; git commit -qm more'
    const ran = await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--wait', '--', 'sh', '-c', script)
    const id = ran.out.trim()
    await until('it is over', async () => (await home.task(id)).step === null, 120_000)
    return id
  }
  const isKnown = async (id: string) => (await tdfWith(home, {}, 'show', id)).code === 0

  it('asks, and forgets nothing unless told to', async () => {
    const id = await done()
    const { type, sees } = open()
    type(`tdf rm ${id}`)
    await sees(`the result of ${id} was never pulled, pushed or applied (1 commit`)
    terminal.keys('Enter')
    await sees('left with 0')
    expect(await isKnown(id)).toBe(true)
    type(`clear; tdf rm ${id} --yes`)
    await sees(new RegExp(`^forgot ${id} and its result$[\\s\\S]*left with 0`, 'm'))
    expect(await isKnown(id)).toBe(false)
  }, 180_000)

  it.each(['pull', 'apply'])(
    'does not ask after tdf %s',
    async how => {
      const id = await done()
      expect((await tdfWith(home, { cwd: repo.dir }, how, id)).code).toBe(0)
      const { type, sees } = open()
      type(`tdf rm ${id}`)
      await sees(new RegExp(`^forgot ${id} and its result$[\\s\\S]*left with 0`, 'm'))
    },
    180_000,
  )
})

describe('the bell', () => {
  it('rings after a long wait, and not after a short one', async () => {
    const id = (await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--', 'true')).out.trim()
    await until('it is over', async () => (await home.task(id)).step === null, 120_000)
    const { type, sees, record } = open()
    type('echo ready')
    await sees(/^ready$/m)
    const written = record()
    type(`tdf watch ${id}`)
    await sees('left with 0')
    const short = written()
    type('clear; tdf submit -w -- sleep 6')
    await sees(/no_change[\s\S]*left with 0/)
    expect(short).not.toContain('\x07')
    await until('it rings', () => written().includes('\x07'))
  }, 180_000)
})

describe('a pipe that closes', () => {
  it.each(['events --follow --since 0 | head -1', 'ls --all | true', 'events -o ndjson | head -1', 'ls --help | true'])(
    'tdf %s is no failure, and nothing is said about it',
    async line => {
      await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--', 'true')
      const { type, sees, lines } = open()
      type(`clear; node ${program} ${line}; echo "left with \${PIPESTATUS[*]}"`)
      await sees('left with 0 0')
      expect(lines().join('\n')).not.toMatch(/EPIPE|rror/)
    },
    180_000,
  )
})

it('a socket that one may not open is no daemon that is away', async () => {
  const shut = path.join(home.dir, 'shut')
  mkdirSync(shut)
  chmodSync(shut, 0)
  // Root may open everything.
  const as = process.getuid?.() === 0 ? 'setpriv --reuid 65534 --regid 65534 --clear-groups ' : ''
  const { type, sees } = open({ HOME: '/', TDF_HOST: path.join(shut, 's') })
  type(`clear; ${as}${process.execPath} ${program} ls; echo "left with $?"`)
  await sees(/you may not open [\s\S]*sudo usermod -aG tdf "\$USER"[\s\S]*FORBIDDEN[\s\S]*left with 4/)
}, 180_000)
