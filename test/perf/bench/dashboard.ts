/**
 * What the dashboard costs: 5 000 tasks, 200 events a second, a terminal of 120×40 (`script` of util-linux makes it).
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fakeControl, manyTasks } from '../../fakes/control.ts'
import type { Row } from './report.ts'

export interface DashboardCost {
  /** Of one processor, in percent, children left out. */
  cpuPercent: number
  /** Bytes written and frames drawn in the measured time. */
  bytes: number
  updates: number
  bytesPerUpdate: number
  /** Clearings of the whole screen after the first frame. */
  clears: number
  rssMb: number
}

/** From the first frame on, for the compiler and the first rows. */
const WARM_UP_MS = 3_000
const FIRST_FRAME_MS_MAX = 60_000
const UPDATE = '\x1b[?2026h'
const CLEARS = ['\x1b[2J', '\x1b[3J']

/** `program` is the built command line, `dist/tdf.js`. */
export async function measureDashboard(
  program: string,
  { tasks = 5_000, eventsASecond = 200, ms = 10_000 } = {},
): Promise<DashboardCost> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-board-'))
  const control = await fakeControl(path.join(folder, 's'), manyTasks(tasks))
  const command = `stty cols 120 rows 40; echo $$ > ${folder}/pid; exec ${process.execPath} ${program} watch`
  const script = spawn('script', ['-qfc', command, '/dev/null'], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      TDF_HOME: folder,
      TDF_HOST: control.socket,
      TERM: 'xterm-256color',
      LANG: 'C.UTF-8',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let output = ''
  script.stdout?.on('data', chunk => {
    output += chunk
  })
  try {
    control.start(eventsASecond)
    const latest = performance.now() + FIRST_FRAME_MS_MAX
    while (!output.includes(UPDATE)) {
      if (performance.now() > latest) throw new Error(`the dashboard shows nothing: ${output.slice(-500)}`)
      await pause(100)
    }
    await pause(WARM_UP_MS)
    // The shell that wrote its number became the dashboard.
    const pid = Number(readFileSync(path.join(folder, 'pid'), 'utf8'))
    output = ''
    const before = ticksOf(pid)
    await pause(ms)
    const ticks = ticksOf(pid) - before
    const updates = output.split(UPDATE).length - 1
    const bytes = Buffer.byteLength(output)
    return {
      // USER_HZ is 100 on Linux: a tick is 10 ms.
      cpuPercent: Math.round((ticks * 10 * 1_000) / ms) / 10,
      bytes,
      updates,
      bytesPerUpdate: Math.round(bytes / Math.max(updates, 1)),
      clears: CLEARS.reduce((sum, clear) => sum + output.split(clear).length - 1, 0),
      rssMb: Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024),
    }
  } finally {
    script.kill()
    await control.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** User and system time of a process, in ticks: fields 14 and 15 of proc(5). */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return Number(fields[11]) + Number(fields[12])
}

const CPU_PERCENT_MAX = 10

export async function dashboardRow(ms: number): Promise<Row> {
  const cost = await measureDashboard(path.resolve('dist/tdf.js'), { ms })
  const { cpuPercent, bytesPerUpdate, updates, clears, rssMb } = cost
  return {
    what: 'dashboard, 5 000 tasks and 200 events/s, 120×40',
    bar: `≤ ${CPU_PERCENT_MAX} % of a core, < 1 kB an update, no clearing`,
    measured: `${cpuPercent} %, ${bytesPerUpdate} bytes in each of ${updates} updates, ${clears} clearings; ${rssMb} MiB`,
    holds: cpuPercent <= CPU_PERCENT_MAX && bytesPerUpdate < 1_000 && clears === 0,
  }
}
