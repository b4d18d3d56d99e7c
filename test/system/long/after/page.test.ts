/** The commands of docs/results.md, as they stand there, in a repository with a task that is over. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { root, tdf, tdfWith, workingRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const AGENT = ['sh', '-c', 'echo "$TDF_ATTEMPT" >> work.txt; mkdir -p test-results; echo 1 > test-results/one.xml']
const { home } = withDaemon(`[agents.a]\ntype = "command"\ncommand = ${JSON.stringify(AGENT)}\n`)

/** Those of pull requests need a forge: test/system/long/after/until-green.test.ts. */
const commands = [...readFileSync(path.join(root, 'docs/results.md'), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  .flatMap(([, language, block = '']) => (language === '' ? block.split('\n') : []))
  .filter(line => line.startsWith('tdf ') && !/--until|--for|tdf pr /.test(line))

it('all end well, in the order of the page', async () => {
  expect(commands.length).toBeGreaterThan(14)
  const repo = workingRepository()
  const made = async (name: string) => {
    const command = ['sh', '-c', `echo ${name} > ${name}`]
    return (await tdf(home, 'submit', '--repo', repo.dir, '-w', '-q', '--', ...command)).out.trim()
  }
  const [one, two] = [await made('one'), await made('two')]
  await tdf(home, 'submit', 'do it', '--agent', 'a', '--repo', repo.dir, '-w')
  for (const line of commands) {
    const [command = ''] = line.split('  #')
    const words = [...command.trim().matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
    const own = words.slice(1).map(word => ({ '7kq2': one, '9fx4': two, 'npm test': 'true' })[word] ?? word)
    const options = own[0] === 'submit' ? ['--agent', 'a', '--wait'] : []
    const { code, err } = await tdfWith(home, { cwd: repo.dir }, ...own, ...options)
    expect([line, code, code === 0 ? '' : err]).toEqual([line, 0, ''])
    // What was applied is no commit of the branch, which the next command moves.
    if (own[0] === 'apply') repo.git('reset', '-q', '--hard')
    repo.git('clean', '-qfd')
  }
}, 240_000)
