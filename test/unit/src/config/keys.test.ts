/** `[tui.keys]`: what is no key, what two things would mean at once, what is no action. */
import { expect, test } from 'vitest'
import { load, refusal } from './support.ts'

test('a key of another action is free once that has another', () => {
  const { raw } = load({ toml: '[tui.keys]\ndown = ["n", "down"]\nnext_hit = ["j"]\n' })
  expect(raw.tui.keys).toMatchObject({ down: ['n', 'down'], next_hit: ['j'], up: ['k', 'up'] })
})

test('a key means one thing in a place, and may mean another elsewhere', () => {
  expect(load({ toml: '[tui.keys]\ndrain = ["x"]\n' }).raw.tui.keys.drain).toEqual(['x'])
  expect(refusal({ toml: '[tui.keys]\ncancel = ["r"]\n' })).toMatch(
    /config\.toml:2:\d+ +error {2}tui\.keys\.cancel: "r" is retry there already/,
  )
})

test('what is no key or no action is refused, with what may have been meant', () => {
  expect(refusal({ toml: '[tui.keys]\nquit = ["ctrl-c"]\n' })).toMatch(
    /tui\.keys\.quit.*expected a list of at most 8 keys/,
  )
  expect(refusal({ toml: '[tui.keys]\nquit = ["F1"]\n' })).toMatch(/expected a list of at most 8 keys/)
  expect(refusal({ toml: '[tui.keys]\nquti = ["Q"]\n' })).toMatch(/unknown key "quti" in \[tui\.keys\].*"quit"/)
})
