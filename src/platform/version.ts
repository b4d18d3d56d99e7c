/** The version of this build; the bundler puts the one of package.json in its place. */

declare const TDF_VERSION: string | undefined

export const VERSION: string = typeof TDF_VERSION === 'string' ? TDF_VERSION : '0.0.0-source'

/** Of the control API. Raised when an older program could misread a newer daemon, or the other way round. */
export const API_LEVEL = '1'
