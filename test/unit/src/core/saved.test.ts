/** What is kept beside a result, saved once more after the check: each file still says where it came from. */
import { describe, expect, it } from 'vitest'
import { type Artifact, withOrigins } from '../../../../src/core/saved.ts'

const aFile = (path: string, sha256: string, from: Artifact['from'], more: Partial<Artifact> = {}): Artifact => ({
  ...{ path, sha256, bytes: 1, from },
  ...more,
})

describe('files that are saved once more', () => {
  it('are of the check where they are as it left them, and of the agent where they are not', () => {
    const before = { commit: 'b', list: [aFile('report.xml', 'one', 'check'), aFile('log', 'two', 'check')] }
    const again = [aFile('report.xml', 'one', 'agent', { blob: 'x' }), aFile('log', 'three', 'agent')]
    expect(withOrigins({ commit: 'a', list: [...again, aFile('new', 'one', 'agent')] }, before)).toEqual({
      commit: 'a',
      list: [
        aFile('report.xml', 'one', 'check', { blob: 'x' }),
        aFile('log', 'three', 'agent'),
        aFile('new', 'one', 'agent'),
      ],
    })
  })

  it.each([null, undefined])('say what the node says where there were none (%s)', before => {
    const files = { commit: 'a', list: [aFile('report.xml', 'one', 'agent')] }
    expect(withOrigins(files, before)).toEqual(files)
  })
})
