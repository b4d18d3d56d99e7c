/** Reads the log of a task, or of its check, on from where it was. */
import type { ScreenTaskJson } from '../../protocol/screen.ts'
import { isEnded } from '../state/states.ts'
import { type LogText, logText } from './log-text.ts'
import type { Parts } from './remote.ts'

/** Of a long log the end is read, in bytes. */
const TAIL_BYTES = 1024 * 1024
const NEWLINE = 10

export interface LogReader {
  /** Another session, and lines with times or without, begin anew. Failures are tried again at the next look. */
  read(task: Pick<ScreenTaskJson, 'session' | 'status'>, hasTimes: boolean): Promise<void>
  /** Nothing more was there at the last look, which was for lines of this form. */
  isRead(hasTimes: boolean): boolean
}

export function logReader({ store, remote, signal }: Parts, id: string, of: 'log' | 'check'): LogReader {
  const which = of === 'check' ? '&session=check' : ''
  const anew = (hasTimes: boolean) => logText({ remote, signal, id, of }, hasTimes)
  let session: string | null | undefined
  let isTimed = false
  let after = 0
  let isRead = false
  let isOver = false
  let text: LogText = anew(false)

  /** What came since, and whether its beginning is left out. */
  async function fresh(): Promise<{ bytes: Buffer; isCut: boolean }> {
    const tail: Buffer[] = []
    let size = 0
    let isCut = false
    for (;;) {
      const reply = await remote.raw({ path: `/tasks/${id}/logs?after=${after}${which}`, signal }).catch(() => null)
      if (!reply || signal.aborted) break
      isRead = reply.body.length === 0
      if (isRead) break
      after += reply.body.length
      tail.push(reply.body)
      size += reply.body.length
      while (size - (tail[0]?.length ?? 0) > TAIL_BYTES) {
        size -= tail.shift()?.length ?? 0
        isCut = true
      }
    }
    return { bytes: Buffer.concat(tail), isCut }
  }

  return {
    async read(task, hasTimes) {
      const newest = task.session?.id ?? null
      const isAnew = newest !== session || hasTimes !== isTimed
      if (isAnew) {
        session = newest
        isTimed = hasTimes
        after = 0
        isOver = false
        text = anew(hasTimes)
      }
      const { bytes, isCut } = await fresh()
      const isEnd = isRead && isEnded(task) && !isOver
      if (signal.aborted || (bytes.length === 0 && !isAnew && !isEnd)) return
      // A stream that is read from its middle begins with half a line, which is dropped.
      if (isCut) text = anew(hasTimes)
      const from = isCut ? bytes.indexOf(NEWLINE) + 1 : 0
      const whole = bytes.subarray(from)
      const shown = await text.push(whole, after - whole.length)
      const last = isEnd ? text.rest() : ''
      isOver ||= isEnd
      if (!signal.aborted) store.dispatch({ kind: 'log', id, of, isAnew, text: shown + last })
    },
    isRead: hasTimes => isRead && hasTimes === isTimed,
  }
}
