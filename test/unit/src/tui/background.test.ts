/** Light or dark, as the terminal answers: what is taken out of what is typed, and what is not. */
import type { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { realWorld } from '../../../../src/platform/world.ts'
import { type Brightness, openBackground } from '../../../../src/tui/terminal/background.ts'
import { createScreen } from '../../../support/screen/screen.ts'
import { fakeStdin, fakeStdout } from '../../../support/screen/tui.tsx'

function asked() {
  const stdin = fakeStdin()
  const written: string[] = []
  const stdout = fakeStdout({ ...createScreen(80, 24), write: bytes => written.push(bytes) }, { columns: 80, rows: 24 })
  const background = openBackground({ stdin, stdout, clock: realWorld().clock })
  const heard: Brightness[] = []
  background.keyboard.setEncoding('utf8')
  return {
    background,
    heard,
    written,
    ask: () => background.ask(brightness => heard.push(brightness)),
    /** What is left of it for the keys. */
    types(text: string): string {
      // A fake of what is a stream that one writes to, at its other end.
      ;(stdin as unknown as PassThrough).write(text)
      let left = ''
      for (let chunk = background.keyboard.read(); chunk !== null; chunk = background.keyboard.read()) left += chunk
      return left
    },
  }
}

describe('the answer of the terminal', () => {
  it.each([
    ['\x1b]11;rgb:ffff/ffff/ffff\x07', 'light'],
    ['\x1b]11;rgb:fd/f6/e3\x1b\\', 'light'],
    ['\x1b]11;rgba:0000/2b2b/3636/ffff\x1b\\', 'dark'],
    ['\x1b]11;rgb:0/0/f\x07', 'dark'],
  ])('says light or dark: %j', (answer, brightness) => {
    const { ask, types, heard, written } = asked()
    ask()
    expect(written).toEqual(['\x1b]11;?\x07'])
    expect([types(`j${answer}k`), heard]).toEqual(['jk', [brightness]])
  })

  it('is no key when it comes in pieces, late, or with a colour that is none', () => {
    const { ask, types, heard } = asked()
    ask()
    expect(['j\x1b]', '11;r', 'gb:ffff/ffff/ff', 'ff\x1b', '\\k'].map(types)).toEqual(['j', '', '', '', 'k'])
    expect(heard).toEqual(['light'])
    ask()
    expect([types('\x1b]11;white\x07'), heard]).toEqual(['', ['light']])
  })

  it('takes nothing along that is typed, also where there never is one', () => {
    const { ask, types, heard } = asked()
    expect(types('\x1b]11;rgb:0/0/0\x07')).toBe('\x1b]11;rgb:0/0/0\x07')
    ask()
    expect([types('\x1b'), types('ü]1'), types('\x1b]'), types('x')]).toEqual(['\x1b', 'ü]1', '', '\x1b]x'])
    expect(types(`\x1b]11;${'f'.repeat(100)}`)).toBe(`\x1b]11;${'f'.repeat(100)}`)
    expect(heard).toEqual([])
  })

  it('is waited for at the end, unless it is there or was not asked for', async () => {
    const { ask, types, background } = asked()
    await background.settled()
    ask()
    let isOver = false
    const end = background.settled().then(() => (isOver = true))
    expect(isOver).toBe(false)
    types('\x1b]11;rgb:0/0/0\x07')
    await end
    await background.settled()
    ask()
    // The terminal stays silent: it is not waited for long.
    await background.settled()
  })
})
