/** docs/self-hosting.md, run as it is written: its commands in a shell, its machines at the fake Hetzner, as processes. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DirectMachines, directMachines } from '../../../support/machines/direct-machines.ts'

const root = path.join(import.meta.dirname, '..', '..', '..', '..')
const TOKEN = 'canary0of0the0cloud0token0that0must0stay0in0its0file0and0nowhere0'
const dir = mkdtempSync(path.join(tmpdir(), 'tdf-docs-'))
let machines: DirectMachines

const baseEnv = () => ({ PATH: `${path.join(dir, 'bin')}:${process.env.PATH}`, HOME: dir })

beforeAll(async () => {
  mkdirSync(path.join(dir, 'bin'))
  symlinkSync(path.join(root, 'bin/tdf'), path.join(dir, 'bin', 'tdf'))
  machines = await directMachines(dir, TOKEN, baseEnv())
})
afterAll(async () => {
  await machines.stop()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
})

function run(script: string): Promise<{ code: number | null; said: string }> {
  return new Promise(resolve => {
    const child = spawn('bash', ['-euo', 'pipefail', script], {
      cwd: dir,
      env: {
        ...baseEnv(),
        ...machines.env,
        ...{ TDF_SYSTEM: '0', TDF_CALLBACKS__LISTEN: '127.0.0.1:0', XDG_RUNTIME_DIR: dir },
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
  const { cloud } = machines
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
