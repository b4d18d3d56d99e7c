/** Who runs tdf in these tests: root, where the tests are root's, and an ordinary user. */
import process from 'node:process'

export interface Who {
  name: string
  /** Undefined: who runs the tests. */
  uid: number | undefined
}

/** A user that stands in no passwd(5) and owns nothing. */
const USER = 54_321

export const WHO: Who[] =
  process.getuid?.() === 0
    ? [
        { name: 'an ordinary user', uid: USER },
        { name: 'root', uid: undefined },
      ]
    : [{ name: 'an ordinary user', uid: undefined }]
