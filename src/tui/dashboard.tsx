/** The one file that subscribes: draws the frame of the model, and hands on what is pressed. */
import { Box, Text, useInput } from 'ink'
import { memo, useState, useSyncExternalStore } from 'react'
import { createKeyReader } from './input/keys.ts'
import type { Model } from './state/model.ts'
import type { Store } from './store.ts'
import type { Palette } from './terminal/palette.ts'
import type { Painter } from './terminal/terminal.ts'
import { frame } from './view/frame.ts'
import { kept, type Line, type Span } from './view/line.ts'

interface DashboardProps {
  store: Store
  /** The places of the lines that have to be drawn. */
  changed: Painter['changed']
  palette: Palette
  onKey(key: string): void
}

/** Of the frame, only what is not on the terminal already: what Ink draws costs with every cell of it. */
export function Dashboard({ store, changed, palette, onKey }: DashboardProps) {
  const [linesOf] = useState(() => frames(store))
  const [keysOf] = useState(createKeyReader)
  const lines = useSyncExternalStore(store.subscribe, linesOf)
  useInput((input, key) => {
    for (const name of keysOf(input, key)) onKey(name)
  })
  const places = changed(lines)
  return (
    <Box flexDirection="column" width={store.get().size.columns} height={places.length}>
      {places.map(place => (
        <Row key={place} line={lines[place] ?? []} palette={palette} />
      ))}
    </Box>
  )
}

/** Most events are about rows off the screen: then the frame is the one before, and nothing is drawn. */
function frames(store: Store): () => readonly Line[] {
  let drawn: Model | null = null
  let lines: readonly Line[] = []
  return () => {
    const model = store.get()
    if (model !== drawn) lines = kept(model.size === drawn?.size ? lines : [], frame(model))
    drawn = model
    return lines
  }
}

const Row = memo(({ line, palette }: { line: Line; palette: Palette }) => {
  if (line.length === 0) return <Text> </Text>
  return (
    <Text wrap="truncate-end">
      {line.map((span, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a piece of a line is its place
        <Piece key={index} span={span} palette={palette} />
      ))}
    </Text>
  )
})

function Piece({ span, palette }: { span: Span; palette: Palette }) {
  const { text, tone, isBold = false, isInverse = false } = span
  const ink = tone === undefined ? undefined : palette[tone]
  const color = ink === undefined ? {} : { color: ink }
  return (
    <Text bold={isBold} inverse={isInverse} {...color}>
      {text}
    </Text>
  )
}
