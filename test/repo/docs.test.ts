import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { journeyPicture } from '../support/journey-picture.ts'

it('the architecture shows the journey as the engine runs it', () => {
  const file = 'docs/architecture.md'
  const text = readFileSync(file, 'utf8')
  const [before, after] = [text.split('<!-- journey -->')[0], text.split('<!-- /journey -->')[1]]
  const drawn = `${before}<!-- journey -->\n${journeyPicture()}\n<!-- /journey -->${after}`
  if (process.env.TDF_GOLDEN) writeFileSync(file, drawn)
  expect(text).toBe(drawn)
})
