/** Units as systemd reads them, and as people do. What systemd thinks of them is asked in test/system/hosts. */
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { execLine, type Scope, type UnitOptions } from '../../../../src/systemd/unit.ts'
import { STARTED, unitsOf } from '../../../../src/systemd/units.ts'

const golden = path.join(import.meta.dirname, '..', '..', '..', 'golden', 'units')

const installed = (scope: Scope): UnitOptions => ({
  scope,
  node: '/usr/bin/node',
  program: '/usr/lib/node_modules/tdf/dist/tdf.js',
  agentProgram: '/usr/lib/node_modules/tdf/dist/tdf-agent.js',
  agentState: '/home/ada/.local/state/tdf/agent',
  agentToken: '/home/ada/.local/state/tdf/agent-token',
  environment: scope === 'user' ? { PATH: '/home/ada/.local/bin:/usr/bin:/bin' } : {},
})

describe.each(['system', 'user'] as const)('the units of a %s service', scope => {
  it.each(unitsOf(installed(scope)).map(unit => [unit.name, unit.text]))('%s', async (name, text) => {
    await expect(text).toMatchFileSnapshot(path.join(golden, scope, name))
  })

  it('are each started or called by one that is', () => {
    const names = unitsOf(installed(scope)).map(({ name }) => name)
    const called = names.map(name => name.replace(/\.timer$/, '.service'))
    expect(names.filter(name => !(STARTED as readonly string[]).includes(name) && !called.includes(name))).toEqual([])
  })
})

describe('a command line of systemd', () => {
  it.each([
    [['/usr/bin/node', 'a.js'], '/usr/bin/node a.js'],
    [['/opt/my tools/node', 'a.js'], '"/opt/my tools/node" a.js'],
    [['/opt/100%/node'], '/opt/100%%/node'],
    [['/opt/$HOME/node'], '/opt/$$HOME/node'],
    [['/opt/a"b\\c'], '"/opt/a\\"b\\\\c"'],
  ])('%j keeps its words', (words, line) => {
    expect(execLine(words)).toBe(line)
  })
})
