/** Where the state lives: in the configuration, a file of one's own, a credential of systemd, or nowhere else. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { storeUrl } from '../../../../../src/store/ledger/url.ts'

const URL_OF = 'postgres://tdf@db.test/tdf'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-url-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function fileOf(text: string, mode = 0o600): string {
  const file = path.join(folder, 'store-url')
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}
const systemd = () => ({ CREDENTIALS_DIRECTORY: folder })

describe('the url of the state', () => {
  it('is that of the configuration, then that of the file, then that of systemd', () => {
    const urlFile = fileOf(` ${URL_OF}\n`)
    expect(storeUrl({ url: 'postgres://other', urlFile }, systemd())).toBe('postgres://other')
    expect(storeUrl({ url: '', urlFile }, {})).toBe(URL_OF)
    expect(storeUrl({ url: '', urlFile: '' }, systemd())).toBe(URL_OF)
  })

  it('is none where nothing says one', () => {
    expect(storeUrl({ url: '', urlFile: '' }, {})).toBeNull()
    expect(storeUrl({ url: '', urlFile: '' }, systemd())).toBeNull()
    fileOf(' \n')
    expect(storeUrl({ url: '', urlFile: '' }, systemd())).toBeNull()
  })

  it('is not taken from a file that others may read, nor from one without any, and is never shown', () => {
    const refused = (code: string, message: string, hint: string) => expect.objectContaining({ code, message, hint })
    const read = (urlFile: string) => () => storeUrl({ url: '', urlFile }, {})
    for (const mode of [0o640, 0o604, 0o601]) {
      const file = fileOf(URL_OF, mode)
      const message = `others may read the url of the store, ${file} (mode 0${mode.toString(8)})`
      expect(read(file)).toThrow(refused('PLACE_UNTRUSTED', message, `chmod 600 ${file}`))
    }
    const gone = path.join(folder, 'gone')
    for (const file of [gone, fileOf('\n')]) {
      const message = `[store] url_file: there is no url in ${file}`
      expect(read(file)).toThrow(refused('CONFIG_INVALID', message, 'tdf config show'))
    }
  })
})
