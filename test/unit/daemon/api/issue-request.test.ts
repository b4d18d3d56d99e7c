/** What a template asks for arrives in the task of an issue, whichever option it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { requestOf } from '../../../../daemon/api/issues/request.ts'
import type { TASK_OPTIONS } from '../../../../src/config/templates/options.ts'
import { aSource } from '../../../support/builders.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'tdf-templates-'))
afterAll(() => rmSync(dir, { recursive: true }))

const issue = { id: '412', title: 'a title', url: null, labels: [], body: 'its text', comments: [] }

function asked(option: string) {
  writeFileSync(path.join(dir, 'fix.md'), `---\n${option}\n---\nfix it`)
  return requestOf(aSource(), issue, { dir, repository: 'https://example.org/repo.git' }).request
}

const VALUES: Record<keyof typeof TASK_OPTIONS, string> = {
  ...{ title: 'other', repo: 'https://example.org/other.git', ref: 'dev', agent: 'codex', model: 'big' },
  ...{ setup: 'make', check: 'make test', node: 'n2', provider: 'static', size: 'small', location: 'here' },
  ...{ outputBranch: 'mine', remote: 'https://example.org/fork.git', timeout: '45m', command: '["make"]' },
  ...{ labels: '{ team: web }', priority: '3', artifacts: '["out/**"]', push: 'true', pr: 'true', until: 'green' },
  ...{ rounds: '2', maxCost: '2.5', atLimit: 'ask', permissions: 'deny', autoResume: 'false', fallback: '["codex"]' },
  ...{ dirty: 'true', interactive: 'true' },
}
const optionOf = (name: string) => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

it.each(Object.entries(VALUES))('%s', (name, value) => {
  const plain = asked('priority: 0')
  const option = `${optionOf(name)}: ${value}`
  if (name === 'dirty' || name === 'interactive') expect(() => asked(option)).toThrow('neither dirty nor interactive')
  else expect(asked(option)).not.toEqual(plain)
})
