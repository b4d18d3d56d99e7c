/** Uploads of a folder's repository: what the CLI wants to send, what the daemon knows of it, and how it ends. */
import { z } from 'zod'
import { objectId, sha256, text } from './shapes.ts'

const REFS_MAX = 500
const BLOBS_MAX = 10_000

export const bundleOffer = z.object({
  /** The folder, as tasks name it. */
  source: text(4096).min(1),
  commit: objectId,
  /** Under which name a bundle of the same is looked for. */
  ref: text(1024).min(1),
  /** What the bundle is to hold: full names of refs and their object ids. */
  refs: z
    .record(text(1024).regex(/^refs\/./, 'must be a full name of a ref'), objectId)
    .refine(refs => Object.keys(refs).length <= REFS_MAX, `may be ${REFS_MAX}`),
  /** Files of it that are large: which of them are there need not be sent, whatever commit they come with. */
  blobs: z.array(objectId).max(BLOBS_MAX).optional(),
})
export type BundleOffer = z.output<typeof bundleOffer>

export interface UploadedBundle {
  sha256: string
  bytes: number
}

/** What there is already: the whole, or commits that the bundle can build on. */
export interface OfferAnswer {
  bundle: UploadedBundle | null
  have: string[]
  /** Of the blobs of the offer. Older daemons say nothing. */
  haveBlobs?: string[]
}

export const uploadEnd = bundleOffer.extend({
  sha256,
  /** Whether it builds on commits that the daemon said it has. */
  isThin: z.boolean(),
})
export type UploadEnd = z.output<typeof uploadEnd>

/** How far an upload has come. */
export interface UploadState {
  bytes: number
}
