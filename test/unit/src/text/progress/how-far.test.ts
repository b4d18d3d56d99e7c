import { describe, expect, it } from 'vitest'
import { gitProgress, withoutProgress } from '../../../../../src/text/progress/how-far.ts'

/** As git 2.39 writes it. */
const SAID = [
  'remote: Enumerating objects: 270, done.\u001b[K\n',
  'remote: Counting objects:  50% (135/270)\u001b[K\rremote: Counting objects: 100% (270/270), done.\u001b[K\n',
  'Receiving objects:  45% (123/270), 12.00 MiB | 3.00 MiB/s\r',
  'Receiving objects: 100% (270/270), 26.10 MiB | 3.10 MiB/s, done.\n',
  'Resolving deltas:   7% (1/14)\r',
]

describe('the progress of git', () => {
  it('is told in short, with percent and bytes where git knows them', () => {
    expect(SAID.map(gitProgress)).toEqual([
      null,
      'counting objects, 100 %',
      'receiving objects, 45 %, 12.00 MiB',
      'receiving objects, 100 %, 26.10 MiB',
      'resolving deltas, 7 %',
    ])
    expect(gitProgress(SAID.join(''))).toBe('resolving deltas, 7 %')
    expect(gitProgress('fatal: could not read: 45%')).toBeNull()
  })

  it('is left out of what git says of a failure', () => {
    const refs = 'From https://example.org/site\n * [new branch]      main -> main\n   1a2b3c4..5d6e7f8  main -> main\n'
    const failure = 'remote: a hook says no\nfatal: the remote end hung up\n'
    expect(withoutProgress(`${SAID.join('')}\n${refs}${failure}`)).toBe(failure)
    expect(withoutProgress(' ! [rejected] main -> main')).toContain('rejected')
    expect(withoutProgress('remote: Total 270 (delta 14), reused 0\nerror: x')).toBe('error: x')
    expect(withoutProgress('Receiving objects:  33% (1/3)\rerror: bad object')).toBe('error: bad object')
    expect(withoutProgress('')).toBe('')
  })
})
