/** Whatever is made to be executed reaches the agent as data or is refused: the canary file never comes to be. */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith } from '../../../support/daemon/home.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
let canary: string

beforeAll(async () => {
  home = makeHome()
  repo = makeRepository()
  canary = path.join(home.dir, 'canary')
  await home.start()
})
afterAll(async () => {
  await home.remove()
  repo.remove()
})
afterEach(() => {
  expect(existsSync(canary)).toBe(false)
})

/** A task whose agent is a shell script; answers it when it is over. */
async function run(script: string, options: string[] = [], prompt?: string): Promise<TaskJson> {
  const words = ['submit', ...(prompt === undefined ? [] : ['-']), '--repo', repo.dir, '--wait', '--json', ...options]
  const given = prompt === undefined ? {} : { input: prompt }
  const { out, err } = await tdfWith(home, given, ...words, '--', 'sh', '-c', script)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}
const diffOf = async ({ id }: TaskJson) => (await tdf(home, 'diff', id)).out

describe('the canary', () => {
  it('would come to be if somebody executed it', async () => {
    await run(`touch ${canary}`)
    expect(existsSync(canary)).toBe(true)
    rmSync(canary)
  })
})

describe('a hostile', () => {
  it.each([
    ['command substitution', () => `$(touch ${canary})`],
    ['backticks', () => `\`touch ${canary}\``],
    ['end of a command', () => `'; touch ${canary}; '`],
    ['option', () => `--dangerously-run=touch ${canary}`],
    ['NUL-free control characters', () => `\u001b]0;title\u0007\u009b31m $(touch ${canary})`],
  ])('prompt with a %s reaches the agent as it is, and no terminal', async (_, made) => {
    const prompt = made()
    const task = await run('cat "$TDF_PROMPT_FILE" > HEARD.txt', [], prompt)
    expect(task.status).toBe('completed')
    expect(await diffOf(task)).toContain(`+${prompt}\n`)
    for (const words of [['ls'], ['show', task.id], ['why', task.id]]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect((await tdf(home, ...words)).out).not.toMatch(/[\u001b\u0007\u009b]/)
    }
  })

  it.each([
    ['transport of git', () => `ext::sh -c touch% ${canary}`],
    ['option', () => `--upload-pack=touch ${canary}`],
    ['host that is an option', () => `ssh://-oProxyCommand=touch ${canary}/x`],
    ['scp-like option', () => `-oProxyCommand=touch ${canary}:x`],
    ['address of a metadata service', () => 'http://169.254.169.254/latest'],
  ])('repository with a %s is refused', async (_, made) => {
    const { code, out } = await tdf(home, 'submit', 'x', `--repo=${made()}`, '--wait', '--', 'true')
    expect(code).not.toBe(0)
    expect(out).toBe('')
  })

  it.each(['--ref', '--output-branch'])('name for %s is refused', async option => {
    for (const name of [`--upload-pack=touch ${canary}`, `$(touch ${canary})`, 'a..b', '../../escape', '-x', 'a\nb']) {
      const args = ['submit', 'x', '--repo', repo.dir, `${option}=${name}`, '--', 'true']
      const { code, out } = await tdf(home, ...args)
      expect([name, code === 0, out]).toEqual([name, false, ''])
    }
  })

  it('setting, filter, hook and attribute of the work tree are not executed by what saves it', async () => {
    const task = await run(`
      printf '[core]\\n\\tfsmonitor = touch ${canary}\\n\\thooksPath = hooks\\n\\tpager = touch ${canary}\\n' >> .git/config
      printf '[filter "x"]\\n\\tclean = touch ${canary}\\n\\trequired = true\\n[diff "x"]\\n\\ttextconv = touch ${canary}\\n' >> .git/config
      mkdir hooks; for hook in pre-commit post-commit reference-transaction; do
        printf '#!/bin/sh\\ntouch ${canary}\\n' > hooks/$hook; chmod +x hooks/$hook
      done
      printf '* filter=x diff=x\\n' > .gitattributes
      echo data > NOTES.md`)
    expect(task).toMatchObject({ status: 'completed', result: { salvaged: true } })
    expect(await diffOf(task)).toContain('+data')
  })

  it('file name stays a name on its way home', async () => {
    const names = [`$(touch canary)`, '-rf', 'a;touch canary', 'new\nline']
    const made = names.map(name => `printf x > "./$(printf '%b' '${name.replace('\n', '\\n')}')"`).join('\n')
    const task = await run(made)
    expect(task.result?.filesChanged).toBe(names.length)
    const { out } = await tdf(home, 'diff', task.id, '--stat')
    expect(out).toContain('$(touch canary)')
    expect(out).not.toContain('new\nline')
  })
})
