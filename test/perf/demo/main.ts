/** `npm run demo`: the moving picture and the still one of the README, recorded from real runs. */
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Recorder, record } from './recorder.ts'
import { openStage, type Stage } from './stage.ts'
import { movieOf, stillOf } from './svg.ts'

const LOG = 'for n in $(seq 900); do echo "  ok $n  test/auth/login-$((n % 10)).test.js"; sleep 1; done'

const words = process.argv.slice(2)
if (!words.includes('--only-dashboard')) await demo()
if (!words.includes('--only-demo')) await dashboard()
process.exit()

/** A task is handed over, the daemon is killed, the next one goes on, the work comes home. */
async function demo(): Promise<void> {
  const size = { columns: 92, rows: 24 }
  const stage = openStage()
  const recorder = record(stage.env, size)
  const { terminal, type, wait } = recorder
  try {
    await prepare(recorder, stage)
    await type('tdf submit "fix the flaky login test" --check "node --test"')
    await terminal.sees(/watch it/)
    await wait(2_500)
    await type('kill -9 $DAEMON                         # the worst that can happen to the daemon')
    await wait(1_200)
    await type('(tdf daemon run > ../log 2>&1 &)        # the next one goes on with the task')
    await answers(stage)
    await type('tdf watch @last')
    await terminal.sees(/completed \(verified\)/)
    await wait(2_500)
    await type('tdf diff @last')
    await terminal.sees(/login.then/)
    await wait(2_500)
    await type('tdf pull @last')
    await wait(2_500)
    writeFileSync('docs/demo.svg', movieOf(await recorder.finish(), size, 'tdf in a terminal', 4_000))
  } finally {
    await recorder.finish()
    await stage.remove()
  }
}

/** Tasks in many states, and the dashboard in front of them. */
async function dashboard(): Promise<void> {
  const size = { columns: 112, rows: 30 }
  const stage = openStage('[nodes]\nmax_workspaces = 3\n')
  const recorder = record(stage.env, size)
  try {
    await prepare(recorder, stage)
    const submit = (title: string, script: string, ...options: string[]) =>
      execFileSync('tdf', ['submit', '-q', '--title', title, ...options, '--', 'sh', '-c', script], {
        cwd: stage.repository,
        env: stage.env,
        encoding: 'utf8',
      }).trim()
    const work = (count: number) =>
      `for n in $(seq ${count}); do echo "- line $n" >> notes.md; done; git add -A; git commit -qm Notes`
    const wait = (...ids: string[]) => {
      for (const id of ids) execFileSync('sh', ['-c', `tdf wait ${id} || true`], { env: stage.env })
    }
    wait(submit('update the dependencies', work(41), '--check', 'test -e notes.md'))
    wait(submit('make the search faster', work(12), '--check', 'echo 3 tests fail; exit 1'))
    wait(
      submit('explain the cache in the README', work(7)),
      submit('port the build to pnpm', 'echo no such registry >&2; exit 2'),
    )
    const asking = submit('write the release notes', work(18), '--interactive')
    submit('split the billing module', LOG, '--priority', '2')
    const busy = submit('fix the flaky login test', LOG, '--priority', '2')
    execFileSync('tdf', ['wait', busy, '--for', 'running'], { env: stage.env })
    wait(asking)
    submit('remove the old feature flags', 'true')
    submit('translate the error pages', 'true')
    recorder.terminal.type('clear; tdf watch')
    await recorder.terminal.sees('fix the flaky login test')
    recorder.terminal.keys('j')
    await recorder.terminal.sees(/│ .*login-9/)
    await pause(1_500)
    const pictures = await recorder.finish()
    writeFileSync('docs/dashboard.svg', stillOf(pictures, size, 'the dashboard: tdf watch'))
  } finally {
    await recorder.finish()
    await stage.remove()
  }
}

/** A shell in the repository with a daemon behind it, and nothing of that on the picture. */
async function prepare({ terminal, restart }: Recorder, stage: Stage): Promise<void> {
  terminal.type(`cd ${stage.repository}; (tdf daemon run > ../log 2>&1 &)`)
  await answers(stage)
  terminal.type('DAEMON=$(tdf daemon status --json | grep -o \'"pid":[0-9]*\' | cut -d: -f2)')
  await pause(1_000)
  terminal.type("PS1='\\[\\e[32m\\]~/site\\[\\e[0m\\] \\[\\e[1m\\]$\\[\\e[0m\\] '; clear")
  await pause(800)
  restart()
}

async function answers({ env }: Stage): Promise<void> {
  const isUp = () => spawnSync('tdf', ['daemon', 'status'], { env, stdio: 'ignore' }).status === 0
  for (let looks = 0; looks < 100 && !isUp(); looks++) await pause(200)
}
