// A page that is opened as a file may start no worker: its search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = frame.contentWindow
      inside.importScripts = () => Promise.resolve()
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      const script = inside.document.createElement("script")
      script.src = address
      this.ready = new Promise((done, failed) => {
        script.onload = done
        script.onerror = failed
      })
      this.tell = (data) => inside.dispatchEvent(new MessageEvent("message", { data }))
      inside.document.body.append(script)
    }
    postMessage(data) {
      this.ready.then(() => this.tell(data))
    }
    terminate() {}
  }
}
