/**
 * An agent that prints a gigabyte: memory of the daemon, of the node's agent and of the session's runner stays flat
 * while it does and while its log comes home, and the log says what was left out of it.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'

const MIB = 1024 * 1024
const PRINTED_BYTES = 1024 * MIB
const LOG_BYTES_MAX = 64 * MIB
const GROWTH_BYTES_MAX = 50 * MIB
const LOOK_MS = 100

/** Each waits for a moment first, so that there is something to compare with. */
const AGENTS = {
  'lines, as a plain command': { type: 'command', print: `yes "$(printf '%0200d' 7)" | head -c ${PRINTED_BYTES}` },
  'lines that an adapter reads': {
    type: 'claude',
    print: `yes '{"type":"assistant","message":{"content":[{"type":"text","text":"'$(printf '%0900d' 7)'"}]}}' | head -c ${PRINTED_BYTES}`,
  },
  'one line without an end to an adapter': {
    type: 'claude',
    print: `head -c ${PRINTED_BYTES} /dev/zero | tr '\\0' '{'`,
  },
  'lines of megabytes that an adapter reads': {
    type: 'claude',
    print: `t=$(printf '%01000000d' 7 | sed 's/0/\\\\u00e9/g'); for n in $(seq 170); do printf '{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}\\n' "$t"; done`,
  },
} as const

let home: Home
let repo: ReturnType<typeof makeRepository>
let daemonPid: number
beforeAll(async () => {
  const tables = Object.values(AGENTS).map(({ type, print }, at) => {
    const script = `sleep 4; ${print}; sleep 1; exit 3`
    return `[agents.a${at}]\ntype = "${type}"\ncommand = ["bash", "-c", ${JSON.stringify(script)}]\n`
  })
  home = makeHome(`[runner]\nreconcile_interval = "1s"\n${tables.join('')}`)
  repo = makeRepository()
  await home.start()
  daemonPid = (await home.client.call<{ pid: number }>({ path: '/status' })).pid
  // Code that runs for the first time is loaded then.
  const first = await tdf(home, 'submit', '--repo', repo.dir, '-f', '--', 'seq', '100000')
  expect([first.code, first.out.length > 500_000]).toEqual([0, true])
}, 120_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
})

/** Proportional set size, which counts shared pages once (proc(5), smaps_rollup); 0 when there is no such process. */
function pssOf(pid: number): number {
  try {
    const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
    return Number(line?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

const pidOfRunner = () =>
  Number(spawnSync('pgrep', ['-f', `run-session ${home.dir}/`], { encoding: 'utf8' }).stdout.split('\n')[0])

interface Growth {
  before: number
  most: number
}

/** Looks at the processes until told to stop. */
function watch(pids: Record<string, number>) {
  const seen = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, { before: pssOf(pid), most: 0 }]))
  const look = () => {
    for (const [name, pid] of Object.entries(pids)) {
      const growth = seen[name] as Growth
      growth.most = Math.max(growth.most, pssOf(pid))
    }
  }
  const timer = setInterval(look, LOOK_MS)
  return () => {
    clearInterval(timer)
    return seen
  }
}

describe('a gigabyte of', () => {
  it.each(Object.keys(AGENTS).map((name, at) => [name, at] as const))(
    '%s',
    async (name, at) => {
      const { out } = await tdf(home, 'submit', 'print', '--repo', repo.dir, '--agent', `a${at}`, '-q')
      const id = out.trim()
      await until('it runs', () => pidOfRunner() > 0)
      await until('the agent is at work', async () => (await home.task(id)).step === 'running')
      const stop = watch({ daemon: daemonPid, agent: home.agent()?.pid ?? 0, runner: pidOfRunner() })
      const follower = tdf(home, 'logs', id, '-f')
      await until('its work is home', async () => (await home.task(id)).cleanup === 'done', 500_000)
      const seen = stop()
      const followed = await follower
      for (const [process, { before, most }] of Object.entries(seen)) {
        console.info(`${name}: ${process} ${(before / MIB).toFixed(0)} MiB, at most ${(most / MIB).toFixed(0)} MiB`)
      }
      for (const [process, { before, most }] of Object.entries(seen)) {
        expect(before, process).toBeGreaterThan(0)
        expect(most - before, `${process} grew`).toBeLessThan(GROWTH_BYTES_MAX)
      }
      const { out: kept } = await tdf(home, 'logs', id)
      // Not `toContain`: nobody wants to read the difference.
      expect(kept.includes(`output beyond ${LOG_BYTES_MAX} bytes is left out`)).toBe(true)
      expect(followed.out.length).toBeGreaterThan(0)
      expect(followed.code).toBe(0)
    },
    600_000,
  )
})
