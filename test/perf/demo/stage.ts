/** A place to show tdf in: a home, a repository with a flaky test, and an agent that is a script and costs nothing. */
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { makeHome } from '../../support/daemon/home.ts'

export interface Stage {
  env: Record<string, string>
  repository: string
  remove(): Promise<void>
}

/** It works as agents do: it says what it does, changes a file and commits. */
const AGENT = `echo 'reading test/login.test.js'
sleep 7
echo 'the test sleeps 10 ms and hopes; it should await the login'
sleep 7
sed -i 's/setTimeout(check, 10)/login.then(check)/' test/login.test.js
echo 'changed test/login.test.js; running it 20 times'
sleep 7
git commit -qam 'Await the login instead of sleeping'
echo 'done'
`
const TEST = `import test from 'node:test'
const login = Promise.resolve('ok')
test('logs in', (_, done) => {
  const check = () => done()
  setTimeout(check, 10)
})
`

export function openStage(settings = ''): Stage {
  const home = makeHome(`[runner]\nagent = "scripted"\n${settings}`)
  const { dir } = home
  const [repository, bin] = [path.join(dir, 'site'), path.join(dir, 'bin')]
  for (const folder of [path.join(repository, 'test'), bin]) mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(dir, 'agent.sh'), AGENT)
  const agent = `[agents.scripted]\ntype = "command"\ncommand = ["sh", "${dir}/agent.sh"]\n`
  appendFileSync(path.join(dir, 'config.toml'), agent)
  writeFileSync(path.join(bin, 'tdf'), `#!/bin/sh\nexec ${process.execPath} ${path.resolve('dist/tdf.js')} "$@"\n`)
  chmodSync(path.join(bin, 'tdf'), 0o755)
  writeFileSync(path.join(repository, 'test', 'login.test.js'), TEST)
  writeFileSync(
    path.join(dir, '.gitconfig'),
    '[user]\nname = you\nemail = you@localhost\n[init]\ndefaultBranch = main\n',
  )
  const env = { ...home.env, PATH: `${bin}:${process.env.PATH ?? ''}` }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: repository, env })
  git('init', '--quiet')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'A site with a login')
  return {
    env,
    repository,
    async remove() {
      spawnSync('tdf', ['daemon', 'stop', '--yes'], { env, timeout: 30_000 })
      await home.remove()
    },
  }
}
