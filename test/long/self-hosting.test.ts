/** docs/self-hosting.md, run as it is written: its commands in a shell, its machines at the fake Hetzner, as processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FakeHetzner, fakeHetzner } from '../fakes/hetzner/cloud.ts'
import { type Listening, listenHetzner } from '../fakes/hetzner/listen.ts'
import type { FakeServer } from '../fakes/hetzner/model.ts'
import { hasEnded, until } from '../support/home.ts'

const root = path.dirname(path.dirname(import.meta.dirname))
const TOKEN = 'canary0of0the0cloud0token0that0must0stay0in0its0file0and0nowhere0'
const dir = mkdtempSync(path.join(tmpdir(), 'tdf-docs-'))
const machines = new Map<string, ChildProcess>()
let cloud: FakeHetzner
let listening: Listening

/** What the first-boot document makes of a machine: an agent with that name and that token. */
function boot({ id, name, userData }: FakeServer): string {
  const address = `127.77.${id >> 8}.${id & 255}`
  const state = path.join(dir, 'machines', name)
  mkdirSync(state, { recursive: true })
  const { write_files: files } = JSON.parse(userData.replace(/^#cloud-config\n/, ''))
  for (const file of files) writeFileSync(path.join(state, path.basename(file.path)), file.content, { mode: 0o600 })
  const options = ['--listen', `${address}:8787`, '--state', path.join(state, 'agent')]
  const who = [
    '--token-file',
    path.join(state, 'token'),
    '--name',
    readFileSync(path.join(state, 'name'), 'utf8').trim(),
  ]
  const program = path.join(root, 'dist/tdf-agent.js')
  machines.set(name, spawn(process.execPath, [program, ...options, ...who], { env: baseEnv(), stdio: 'ignore' }))
  return address
}

const baseEnv = () => ({ PATH: `${path.join(dir, 'bin')}:${process.env.PATH}`, HOME: dir })

beforeAll(async () => {
  mkdirSync(path.join(dir, 'bin'))
  symlinkSync(path.join(root, 'bin/tdf'), path.join(dir, 'bin', 'tdf'))
  cloud = fakeHetzner({
    now: Date.now,
    token: TOKEN,
    bootMs: 500,
    deleteMs: 200,
    born: boot,
    died: ({ name }) => void machines.get(name)?.kill('SIGTERM'),
  })
  listening = await listenHetzner(cloud)
})
afterAll(async () => {
  for (const machine of machines.values()) machine.kill('SIGTERM')
  await until('the machines end', () => [...machines.values()].every(hasEnded))
  await listening.stop()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
})

function run(script: string): Promise<{ code: number | null; said: string }> {
  return new Promise(resolve => {
    const child = spawn('bash', ['-euo', 'pipefail', script], {
      cwd: dir,
      env: {
        ...baseEnv(),
        // What a machine with the real thing does not need: another API, no ssh, and less patience.
        ...{ HCLOUD_ENDPOINT: listening.endpoint, TDF_PROVIDERS__HETZNER__TRANSPORT: 'direct', TDF_SYSTEM: '0' },
        ...{ TDF_CALLBACKS__LISTEN: '127.0.0.1:0', TDF_RUNNER__PROVISION_POLL_INTERVAL: '300ms' },
        ...{ XDG_RUNTIME_DIR: dir, TDF_RUNNER__AGENT_POLL_INTERVAL: '300ms' },
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let said = ''
    child.stdout.on('data', chunk => (said += chunk))
    child.stderr.on('data', chunk => (said += chunk))
    child.stdin.end(`${TOKEN}\n`)
    child.on('close', code => resolve({ code, said }))
  })
}

it('takes a reader from an empty project to a finished task and back to an empty project', async () => {
  const page = readFileSync(path.join(root, 'docs/self-hosting.md'), 'utf8')
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands ?? '')
  expect(blocks.length).toBeGreaterThanOrEqual(7)
  const script = path.join(dir, 'page.sh')
  // However it ends, it leaves no daemon behind.
  writeFileSync(script, `trap 'tdf daemon stop >/dev/null 2>&1 || true; wait' EXIT\n${blocks.join('\n')}`)
  const { code, said } = await run(script)
  expect(code, said).toBe(0)
  expect(said).toContain('+made at Hetzner')
  expect(said).toMatch(/hetzner +(warm|ready) .*small +fsn1 +€0\.0060/)
  expect(cloud.made.size).toBe(1)
  expect(cloud.leaks()).toEqual([])
  expect(filesWith(TOKEN)).toEqual(['.config/tdf/secrets/hcloud-token'])
  expect(`${said}${[...cloud.model.servers.values()].map(({ userData }) => userData)}`).not.toContain(TOKEN)
}, 180_000)

/** Every file of the whole home that holds the text: database, journal, log, state and what a machine was told. */
function filesWith(text: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath, entry.name))
    .filter(file => readFileSync(file).includes(text))
    .map(file => path.relative(dir, file))
}
